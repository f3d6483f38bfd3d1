//===- OnInterrupt.h - Tidying up before a signal ends us -------*- C++ -*-===//

#ifndef TARGET_COMMON_ONINTERRUPT_H
#define TARGET_COMMON_ONINTERRUPT_H

#include <functional>
#include <thread>

namespace fp8c::target {

/// While it lives, SIGINT, SIGTERM and SIGHUP first have `cleanup` run, on a
/// thread of its own and as ordinary code, and then end the process as they
/// would have. Signals that are ignored stay so. One at a time.
class OnInterrupt {
public:
  explicit OnInterrupt(std::function<void()> cleanup);
  ~OnInterrupt();
  OnInterrupt(const OnInterrupt &) = delete;
  OnInterrupt &operator=(const OnInterrupt &) = delete;

private:
  std::thread watcher;
};

} // namespace fp8c::target

#endif // TARGET_COMMON_ONINTERRUPT_H
