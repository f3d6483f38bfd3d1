//===- DeviceCollectives.h - Collectives of GPUs ----------------*- C++ -*-===//
//
// Built as a library of its own on NCCL, which only programs with a grid load.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_RUNTIME_COMM_DEVICECOLLECTIVES_H
#define FP8C_RUNTIME_COMM_DEVICECOLLECTIVES_H

#include "comm/Processes.h"

#include <cstdlib>
#include <cstring>

namespace fp8c::runtime {

/// Whether the environment's FP8C_COLLECTIVES asks for them so, to find out
/// what they cost: "skipped" leaves them out, so that results are wrong,
/// "serial" does nothing beside them.
inline bool collectivesAre(const char *how) {
  const char *asked = std::getenv("FP8C_COLLECTIVES");
  return asked && std::strcmp(asked, how) == 0;
}

/// Memory of a GPU that programs work on.
struct DeviceBlock {
  unsigned char *base;
  uint64_t bytes;
};

/// What programs on GPUs call to talk to each other.
class DeviceCollectives {
public:
  virtual ~DeviceCollectives() = default;
  DeviceCollectives(const DeviceCollectives &) = delete;
  DeviceCollectives &operator=(const DeviceCollectives &) = delete;

  const Fp8cCollectives *collectives() const { return &table; }
  /// Bytes that were enqueued to be sent.
  uint64_t enqueuedBytes() const { return enqueued; }

protected:
  DeviceCollectives() = default;
  Fp8cCollectives table = {};
  uint64_t enqueued = 0;
};

} // namespace fp8c::runtime

/// Joins the GPUs of all processes, each the current one of its own, with the
/// blocks that programs work on, of the same sizes in each. Throws Error if
/// they do not find each other. The caller owns the result.
extern "C" fp8c::runtime::DeviceCollectives *
fp8c_join_gpus(fp8c::runtime::Processes &processes,
               const std::vector<fp8c::runtime::DeviceBlock> &blocks);

#endif // FP8C_RUNTIME_COMM_DEVICECOLLECTIVES_H
