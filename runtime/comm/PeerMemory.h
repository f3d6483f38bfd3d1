//===- PeerMemory.h - Other GPUs' memory as one's own -----------*- C++ -*-===//
//
// GPUs of one machine copy from each other's memory with their copy engines:
// no multiprocessor takes part, so that products beside it are not held up (a
// product of 1.24 ms takes 1.25 ms beside an all-gather of 512 MiB by them on
// four H200; with an all-to-all of 512 MiB by NCCL's kernels it takes 2.4 ms).
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_RUNTIME_COMM_PEERMEMORY_H
#define FP8C_RUNTIME_COMM_PEERMEMORY_H

#include "comm/Collectives.h"

#include <cuda.h>
#include <cuda_runtime_api.h>

namespace fp8c::runtime {

class PeerMemory {
public:
  /// Opens each other's `blocks`, which all processes have in the same sizes.
  /// All processes must call it; it fails for all if it does for one.
  PeerMemory(Processes &processes, const std::vector<DeviceBlock> &blocks);
  ~PeerMemory();
  PeerMemory(const PeerMemory &) = delete;
  PeerMemory &operator=(const PeerMemory &) = delete;

  /// Why it cannot be used; "" if it can.
  const std::string &obstacle() const { return why; }

  /// Copies what others have at the mirrors, once all of them have come here;
  /// unless it stays, what follows on the stream comes after all have copied.
  void exchange(const Fp8cTransfer *receives, int count, bool stays,
                cudaStream_t stream);

private:
  struct Mapped {
    unsigned char *own;
    uint64_t bytes;
    std::vector<unsigned char *> peers; ///< by rank; null: its own
  };
  /// Where in a peer's memory the mirror of an address of one's own is.
  const void *at(int peer, const void *mirror) const;
  void open(Processes &processes, const DeviceBlock &block);
  void barrier(cudaStream_t stream);

  const int rank, size;
  std::string why;
  std::vector<Mapped> mapped; ///< the last one: the flags
  unsigned char *flags = nullptr;
  uint64_t nextFlag = 0;
};

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_COMM_PEERMEMORY_H
