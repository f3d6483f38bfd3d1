//===- Interrupt.cpp - What signals ask of a training ---------------------===//

#include "core/Interrupt.h"

#include <csignal>
#include <utility>

namespace fp8c::runtime {
namespace {

volatile std::sig_atomic_t pending = 0, checkpointAsked = 0;

} // namespace

std::vector<int> endingSignals() {
  std::vector<int> signals = {SIGINT, SIGTERM, SIGUSR1};
  struct sigaction inherited = {};
  sigaction(SIGHUP, nullptr, &inherited);
  if (inherited.sa_handler != SIG_IGN)
    signals.push_back(SIGHUP);
  return signals;
}

void watchInterrupts() {
  struct sigaction action = {};
  action.sa_handler = [](int signal) { pending = signal; };
  action.sa_flags = static_cast<int>(SA_RESETHAND) | SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (int signal : endingSignals())
    sigaction(signal, &action, nullptr);
  action.sa_handler = [](int) { checkpointAsked = 1; };
  action.sa_flags = SA_RESTART;
  sigaction(SIGUSR2, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

int takeInterrupt() {
  if (pending)
    return pending;
  return std::exchange(checkpointAsked, 0) ? SIGUSR2 : 0;
}

} // namespace fp8c::runtime
