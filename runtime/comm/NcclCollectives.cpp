//===- NcclCollectives.cpp - GPUs that talk through NCCL ------------------===//

#include "comm/DeviceCollectives.h"
#include "core/Error.h"
#include "core/Text.h"

#include <cuda_runtime_api.h>
#include <nccl.h>

namespace fp8c::runtime {
namespace {

void check(ncclResult_t status, const char *what) {
  if (status != ncclSuccess)
    throw Error(concat("NCCL: ", what, ": ", ncclGetErrorString(status)),
                "set NCCL_DEBUG=WARN to see what it says");
}
void check(cudaError_t status, const char *what) {
  if (status != cudaSuccess)
    throw Error(concat("CUDA: ", what, ": ", cudaGetErrorString(status)));
}

ncclDataType_t typeOf(Fp8cElement element) {
  switch (element) {
  case Fp8cElement_float:
    return ncclFloat32;
  case Fp8cElement_bf16:
    return ncclBfloat16;
  case Fp8cElement_f16:
    return ncclFloat16;
  }
  return ncclFloat32;
}

class NcclCollectives final : public DeviceCollectives {
public:
  explicit NcclCollectives(Processes &processes);
  ~NcclCollectives() override {
    if (comm)
      ncclCommDestroy(comm);
  }

private:
  void allReduce(const Fp8cReduced *tensors, int count, ncclRedOp_t op,
                 cudaStream_t stream);
  void exchange(const Fp8cTransfer *sends, int sendCount,
                const Fp8cTransfer *receives, int receiveCount,
                cudaStream_t stream);
  void warmUp();

  ncclComm_t comm = nullptr;
  /// For timing alone: what comes out is wrong.
  bool leftOut = false;
};

NcclCollectives::NcclCollectives(Processes &processes) {
  table.self = this;
  table.rank = processes.rank;
  table.size = processes.size;
  table.all_reduce = [](void *self, const Fp8cReduced *tensors, int count,
                        Fp8cReduction reduction, void *stream) {
    static_cast<NcclCollectives *>(self)->allReduce(
        tensors, count, reduction == Fp8cReduction_sum ? ncclSum : ncclMax,
        static_cast<cudaStream_t>(stream));
  };
  table.exchange = [](void *self, const Fp8cTransfer *sends, int sendCount,
                      const Fp8cTransfer *receives, int receiveCount,
                      void *stream) {
    static_cast<NcclCollectives *>(self)->exchange(
        sends, sendCount, receives, receiveCount,
        static_cast<cudaStream_t>(stream));
  };
  ncclUniqueId id;
  if (processes.isFirst())
    check(ncclGetUniqueId(&id), "cannot start");
  const std::string sent =
      processes.broadcast(std::string(id.internal, sizeof(id.internal)));
  sent.copy(id.internal, sizeof(id.internal));
  check(ncclCommInitRank(&comm, table.size, id, table.rank),
        "the GPUs do not find each other");
  warmUp();
  leftOut = collectivesAre("skipped");
}

/// Connections are made by the first use of each, which must not be captured.
void NcclCollectives::warmUp() {
  cudaStream_t stream;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking),
        "cannot make a stream");
  constexpr uint64_t bytes = 256;
  const auto size = static_cast<uint64_t>(table.size);
  void *memory = nullptr;
  check(cudaMalloc(&memory, 2 * bytes * size), "no memory");
  auto *out = static_cast<unsigned char *>(memory), *in = out + bytes * size;
  std::vector<Fp8cTransfer> sends, receives;
  for (int peer = 0; peer < table.size; ++peer)
    if (peer != table.rank) {
      sends.push_back({peer, out + bytes * static_cast<uint64_t>(peer), bytes});
      receives.push_back(
          {peer, in + bytes * static_cast<uint64_t>(peer), bytes});
    }
  exchange(sends.data(), static_cast<int>(sends.size()), receives.data(),
           static_cast<int>(receives.size()), stream);
  for (const Fp8cElement element : {Fp8cElement_float, Fp8cElement_bf16}) {
    const Fp8cReduced tensor = {memory, memory, bytes / 4, element};
    allReduce(&tensor, 1, ncclSum, stream);
  }
  check(cudaStreamSynchronize(stream), "the first exchange failed");
  cudaFree(memory);
  cudaStreamDestroy(stream);
}

void NcclCollectives::allReduce(const Fp8cReduced *tensors, int count,
                                ncclRedOp_t op, cudaStream_t stream) {
  if (leftOut)
    return;
  check(ncclGroupStart(), "cannot start a group");
  for (int i = 0; i < count; ++i)
    check(ncclAllReduce(tensors[i].input, tensors[i].output, tensors[i].count,
                        typeOf(tensors[i].element), op, comm, stream),
          "cannot sum");
  check(ncclGroupEnd(), "cannot sum");
}

void NcclCollectives::exchange(const Fp8cTransfer *sends, int sendCount,
                               const Fp8cTransfer *receives, int receiveCount,
                               cudaStream_t stream) {
  if (leftOut)
    return;
  check(ncclGroupStart(), "cannot start a group");
  for (int i = 0; i < sendCount; ++i)
    check(ncclSend(sends[i].data, sends[i].bytes, ncclUint8, sends[i].peer,
                   comm, stream),
          "cannot send");
  for (int i = 0; i < receiveCount; ++i)
    check(ncclRecv(receives[i].data, receives[i].bytes, ncclUint8,
                   receives[i].peer, comm, stream),
          "cannot receive");
  check(ncclGroupEnd(), "cannot exchange");
}

} // namespace
} // namespace fp8c::runtime

fp8c::runtime::DeviceCollectives *
fp8c_join_gpus(fp8c::runtime::Processes &processes) {
  return new fp8c::runtime::NcclCollectives(processes);
}
