//===- Processes.h - Those that run a program together ----------*- C++ -*-===//

#ifndef FP8C_RUNTIME_COMM_PROCESSES_H
#define FP8C_RUNTIME_COMM_PROCESSES_H

#include "core/ProgramABI.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace fp8c::runtime {

/// The processes that run a program together, seen from one of them. Every
/// process must make the same calls in the same order; each returns once this
/// one has its result, and throws Error if a process is lost.
class Processes {
public:
  virtual ~Processes() = default;
  Processes(const Processes &) = delete;
  Processes &operator=(const Processes &) = delete;

  const int rank; ///< 0 … size - 1
  const int size;
  bool isFirst() const { return rank == 0; }

  /// Sends and receives: see Fp8cCollectives.
  virtual void exchange(const std::vector<Fp8cTransfer> &sends,
                        const std::vector<Fp8cTransfer> &receives) = 0;

  /// One value of each process, by rank; of a type whose bytes are all of it.
  template <typename T> std::vector<T> gather(const T &value) {
    std::vector<T> all(static_cast<size_t>(size), value);
    gatherBytes(all.data(), sizeof(T));
    return all;
  }
  double sum(double value);
  double max(double value);

  /// The first process's text, in every process.
  std::string broadcast(const std::string &text);

  /// What a program calls. Lives as long as this object.
  const Fp8cCollectives *collectives() const { return &table; }
  /// Bytes that programs have sent by it.
  uint64_t sentBytes() const { return sent; }

protected:
  Processes(int rank, int size);

private:
  /// Of `size` values of so many bytes at `all` sends its own, gets the others.
  void gatherBytes(void *all, uint64_t bytes);

  Fp8cCollectives table;
  uint64_t sent = 0;
};

/// All bytes of some transfers.
inline uint64_t bytesOf(const Fp8cTransfer *transfers, int count) {
  uint64_t bytes = 0;
  for (int i = 0; i < count; ++i)
    bytes += transfers[i].bytes;
  return bytes;
}

/// The `size` processes that a program is compiled for. This one is who
/// launchProcesses() has made it; alone it needs nobody. Throws Error if
/// another number was launched, or if they do not find each other in time.
std::unique_ptr<Processes> joinProcesses(int64_t size);

/// Which one this process is among those of its machine: its GPU's number. 0 if
/// it is alone.
int localRank();

/// Whether this process is the first of those that were launched, or alone.
bool isFirstProcess();

/// Makes `count` processes of this one, which must have one thread. Returns in
/// each of them, without a value; the one that launched them gets their common
/// exit status, once all have ended: that of the first that failed. When one
/// fails the others have 5 s to end by themselves.
struct Launched {
  bool isLauncher;
  int status; ///< of the launcher
};
Launched launchProcesses(int count);

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_COMM_PROCESSES_H
