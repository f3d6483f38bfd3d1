//===- OnInterrupt.cpp - Tidying up before a signal ends us ---------------===//

#include "Target/Common/OnInterrupt.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <iterator>
#include <unistd.h>

using namespace fp8c::target;

static constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP};

/// Signals arrive through a pipe: a handler may do little more than write.
static int ends[2] = {-1, -1};
static struct sigaction before[std::size(kSignals)];

static void notify(int signal) {
  int saved = errno;
  auto byte = static_cast<unsigned char>(signal);
  [[maybe_unused]] ssize_t ignored = write(ends[1], &byte, 1);
  errno = saved;
}

OnInterrupt::OnInterrupt(std::function<void()> cleanup) {
  if (pipe2(ends, O_CLOEXEC) != 0)
    return; // then signals end us at once
  watcher = std::thread([cleanup = std::move(cleanup)] {
    unsigned char signal = 0;
    while (read(ends[0], &signal, 1) < 0 && errno == EINTR)
      continue;
    if (signal == 0)
      return;
    cleanup();
    std::signal(signal, SIG_DFL);
    kill(getpid(), signal);
  });
  for (size_t i = 0; i < std::size(kSignals); ++i) {
    sigaction(kSignals[i], nullptr, &before[i]);
    if (before[i].sa_handler == SIG_IGN)
      continue; // as nohup wants it
    struct sigaction action = {};
    action.sa_handler = notify;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(kSignals[i], &action, nullptr);
  }
}

OnInterrupt::~OnInterrupt() {
  if (!watcher.joinable())
    return;
  for (size_t i = 0; i < std::size(kSignals); ++i)
    sigaction(kSignals[i], &before[i], nullptr);
  notify(0);
  watcher.join(); // or the process ends: a signal came before
  close(ends[0]);
  close(ends[1]);
}
