//===- Interrupt.cpp - Ending a training on SIGINT and SIGTERM ------------===//

#include "core/Interrupt.h"

#include <csignal>

namespace fp8c::runtime {
namespace {

volatile std::sig_atomic_t pending = 0;

} // namespace

void watchInterrupts() {
  struct sigaction action = {};
  action.sa_handler = [](int signal) { pending = signal; };
  action.sa_flags = static_cast<int>(SA_RESETHAND) | SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

int pendingInterrupt() { return pending; }

} // namespace fp8c::runtime
