//===- Processes.h - Those that run a program together ----------*- C++ -*-===//

#ifndef FP8C_RUNTIME_COMM_PROCESSES_H
#define FP8C_RUNTIME_COMM_PROCESSES_H

#include "comm/Job.h"

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace fp8c::runtime {

/// The processes that run a program together, seen from one of them. Every
/// process must make the same calls in the same order; each returns once this
/// one has its result, however long others take, and throws Error if one is
/// lost.
class Processes {
public:
  virtual ~Processes() = default;
  Processes(const Processes &) = delete;
  Processes &operator=(const Processes &) = delete;

  const int rank; ///< 0 … size - 1
  const int size;
  const int localRank; ///< among those of this machine
  bool isFirst() const { return rank == 0; }
  /// This process's address in the network; "" if it is alone.
  virtual std::string address() const = 0;
  /// "rank 2 (host gpu4, process 4711)"
  virtual std::string describe(int which) const = 0;

  /// The texts of all processes, by rank. `what` names them in errors.
  std::vector<std::string> gather(const std::string &what,
                                  const std::string &mine) {
    return take(share(what, mine));
  }
  /// One value of each process; of a type whose bytes are all of it.
  template <typename T>
  std::vector<T> gatherValues(const std::string &what, const T &value) {
    return takeValues<T>(shareValue(what, value));
  }

  /// What gather() does in two calls: what is shared is taken, once, by the
  /// number that share() gives it. Every process must share in the same order.
  using Shared = uint64_t;
  virtual Shared share(const std::string &what, const std::string &mine) = 0;
  virtual std::vector<std::string> take(Shared number) = 0;
  template <typename T>
  Shared shareValue(const std::string &what, const T &value) {
    return share(what, {reinterpret_cast<const char *>(&value), sizeof(T)});
  }
  template <typename T> std::vector<T> takeValues(Shared number);
  /// As many values of each process.
  template <typename T>
  Shared shareValues(const std::string &what, const std::vector<T> &values) {
    return share(what, {reinterpret_cast<const char *>(values.data()),
                        values.size() * sizeof(T)});
  }
  template <typename T> std::vector<std::vector<T>> takeRows(Shared number);

  /// The first process's text, in every process.
  std::string broadcast(const std::string &what, const std::string &text);
  /// Returns when all have come to the same call.
  void meet(const std::string &what) { gather(what, ""); }
  /// Throws Error, in every process, unless all have the same lines; `hint`
  /// says what to do about it.
  void expectSame(const std::string &what, const std::string &mine,
                  const std::string &hint);

  /// What this process does, for the errors of others: "@micro".
  virtual void setActivity(const std::string &activity) = 0;
  virtual const std::string &activity() const = 0;

  /// While one lives this process waits for what only others can end. If one is
  /// lost then, or if it takes longer than ten times the job's timeout, the
  /// process reports it and ends.
  class Waiting {
  public:
    Waiting(Processes &processes, const std::string &what)
        : processes(processes) {
      processes.beginWaiting(what);
    }
    ~Waiting() { processes.endWaiting(); }
    Waiting(const Waiting &) = delete;
    Waiting &operator=(const Waiting &) = delete;

  private:
    Processes &processes;
  };

  /// Where errors are written besides, if there is such a folder; others hear
  /// of this one.
  virtual void setErrorFolder(const std::string &folder) = 0;
  virtual void noteError(const std::string &text) = 0;

  /// A program's transfer has failed because of `what`: waits until it is known
  /// who was lost, and throws Error.
  [[noreturn]] virtual void throwLost(const std::string &what) = 0;

protected:
  Processes(int rank, int size, int localRank)
      : rank(rank), size(size), localRank(localRank) {}
  virtual void beginWaiting(const std::string &what) = 0;
  virtual void endWaiting() = 0;
};

template <typename T>
std::vector<std::vector<T>> Processes::takeRows(Shared number) {
  std::vector<std::vector<T>> rows;
  for (const std::string &bytes : take(number)) {
    rows.emplace_back(bytes.size() / sizeof(T));
    std::memcpy(rows.back().data(), bytes.data(), bytes.size());
  }
  return rows;
}

template <typename T> std::vector<T> Processes::takeValues(Shared number) {
  std::vector<T> values;
  for (const std::vector<T> &row : takeRows<T>(number))
    values.push_back(row.front());
  return values;
}

/// The `size` processes that a program is compiled for: those of
/// currentJob(). Throws Error if another number runs it, or if they do not find
/// each other in time.
std::unique_ptr<Processes> joinProcesses(int64_t size);

/// What joinProcesses() calls in the library libfp8c-control.so, whose result
/// the caller owns.
using JoinJob = Processes *(const Job &job);

} // namespace fp8c::runtime

extern "C" fp8c::runtime::JoinJob fp8c_join_job;

#endif // FP8C_RUNTIME_COMM_PROCESSES_H
