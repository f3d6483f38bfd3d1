//===- Collectives.h - What programs call to talk to each other -*- C++ -*-===//

#ifndef FP8C_RUNTIME_COMM_COLLECTIVES_H
#define FP8C_RUNTIME_COMM_COLLECTIVES_H

#include "comm/Processes.h"
#include "core/Error.h"
#include "core/ProgramABI.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace fp8c::runtime {

/// Whether the environment's FP8C_COLLECTIVES asks for them so, to find out
/// what they cost: "skipped" leaves them out, so that results are wrong,
/// "serial" does nothing beside them.
inline bool collectivesAre(const char *how) {
  const char *asked = std::getenv("FP8C_COLLECTIVES");
  return asked && std::strcmp(asked, how) == 0;
}

/// Transfers between the memory of processes.
class Collectives {
public:
  explicit Collectives(Processes &processes);
  virtual ~Collectives() = default;
  Collectives(const Collectives &) = delete;
  Collectives &operator=(const Collectives &) = delete;

  /// What a program calls. Lives as long as this object.
  const Fp8cCollectives *forPrograms() const { return &table; }
  /// Gets ready for what a function needs that all processes have planned, and
  /// none has captured.
  virtual void prepare() {}
  /// Bytes that programs have sent by it, or, on GPUs, enqueued to be sent.
  uint64_t sentBytes() const { return sent; }

protected:
  /// See Fp8cCollectives.
  virtual void exchange(const Fp8cTransfer *sends, int sendCount,
                        const Fp8cTransfer *receives, int receiveCount,
                        bool stays, void *stream) = 0;
  virtual void sumCodes(const void *, void *, uint64_t, bool, void *) {
    throw Error("these processes have no library that sums FP8");
  }

  Processes &processes;

private:
  Fp8cCollectives table = {};
  uint64_t sent = 0;
};

inline Collectives::Collectives(Processes &processes) : processes(processes) {
  table.self = this;
  table.rank = processes.rank;
  table.size = processes.size;
  table.exchange = [](void *self, const Fp8cTransfer *sends, int sendCount,
                      const Fp8cTransfer *receives, int receiveCount, int stays,
                      void *stream) {
    auto &collectives = *static_cast<Collectives *>(self);
    for (int i = 0; i < sendCount; ++i)
      collectives.sent += sends[i].bytes;
    collectives.exchange(sends, sendCount, receives, receiveCount, stays != 0,
                         stream);
  };
  table.sum_codes = [](void *self, const void *input, void *output,
                       unsigned long long count, int isE5M2, void *stream) {
    auto &collectives = *static_cast<Collectives *>(self);
    const auto size = static_cast<uint64_t>(collectives.processes.size);
    collectives.sent += 2 * count * (size - 1) / size; // in a ring
    collectives.sumCodes(input, output, count, isE5M2 != 0, stream);
  };
}

/// Of a program with a grid of one process.
class LoneCollectives final : public Collectives {
public:
  using Collectives::Collectives;

private:
  void exchange(const Fp8cTransfer *, int, const Fp8cTransfer *, int, bool,
                void *) override {}
};

/// Memory of a GPU that programs work on.
struct DeviceBlock {
  unsigned char *base;
  uint64_t bytes;
};

/// What devices call in libraries of their own, on Gloo and NCCL. The caller
/// owns the result.
using JoinCPUs = Collectives *(Processes &processes);
using JoinGPUs = Collectives *(Processes &processes,
                               const std::vector<DeviceBlock> &blocks);

} // namespace fp8c::runtime

/// Joins the processes' memories. Throws Error if they do not find each other.
extern "C" fp8c::runtime::JoinCPUs fp8c_join_cpus;
/// Joins the GPUs of all processes, each the current one of its own, with the
/// blocks that programs work on, of the same sizes in each.
extern "C" fp8c::runtime::JoinGPUs fp8c_join_gpus;

#endif // FP8C_RUNTIME_COMM_COLLECTIVES_H
