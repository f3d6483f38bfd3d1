//===- NcclCollectives.cpp - GPUs that talk through NCCL ------------------===//

#include "comm/PeerMemory.h"
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

class NcclCollectives final : public Collectives {
public:
  NcclCollectives(Processes &processes, const std::vector<DeviceBlock> &blocks);
  ~NcclCollectives() override {
    if (comm)
      ncclCommDestroy(comm);
  }

private:
  void exchange(const Fp8cTransfer *sends, int sendCount,
                const Fp8cTransfer *receives, int receiveCount, bool stays,
                void *stream) override;
  void sumCodes(const void *input, void *output, uint64_t count, bool isE5M2,
                void *stream) override;
  void prepare() override;
  void start();
  void warmUp();
  void warmUpSums();

  ncclComm_t comm = nullptr;
  /// Null where GPUs do not see each other's memory.
  std::unique_ptr<PeerMemory> peers;
  bool wantsSums = false, ///< a planned function has some
      warmForSums = false;
  /// For timing alone: what comes out is wrong.
  bool leftOut = false;
};

NcclCollectives::NcclCollectives(Processes &others,
                                 const std::vector<DeviceBlock> &blocks)
    : Collectives(others) {
  const char *wanted = std::getenv("FP8C_PEER_MEMORY");
  if (!wanted || std::string(wanted) != "0") {
    peers = std::make_unique<PeerMemory>(processes, blocks);
    if (!peers->obstacle().empty())
      peers.reset();
  }
  leftOut = collectivesAre("skipped");
  if (!peers) {
    start();
    warmUp();
  }
}

void NcclCollectives::start() {
  ncclUniqueId id;
  if (processes.isFirst())
    check(ncclGetUniqueId(&id), "cannot start");
  const std::string sent = processes.broadcast(
      "NCCL's identifier", std::string(id.internal, sizeof(id.internal)));
  sent.copy(id.internal, sizeof(id.internal));
  Processes::Waiting waiting(processes, "NCCL's start");
  check(ncclCommInitRank(&comm, processes.size, id, processes.rank),
        "the GPUs do not find each other");
}

/// Connections are made by the first use of each, which must not be captured.
void NcclCollectives::warmUp() {
  cudaStream_t stream;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking),
        "cannot make a stream");
  constexpr uint64_t bytes = 256;
  const auto size = static_cast<uint64_t>(processes.size);
  void *memory = nullptr;
  check(cudaMalloc(&memory, 2 * bytes * size), "no memory");
  auto *out = static_cast<unsigned char *>(memory), *in = out + bytes * size;
  std::vector<Fp8cTransfer> sends, receives;
  for (int peer = 0; peer < processes.size; ++peer)
    if (peer != processes.rank) {
      const uint64_t place = bytes * static_cast<uint64_t>(peer);
      sends.push_back({peer, out + place, nullptr, bytes});
      receives.push_back({peer, in + place, nullptr, bytes});
    }
  exchange(sends.data(), static_cast<int>(sends.size()), receives.data(),
           static_cast<int>(receives.size()), /*stays=*/false, stream);
  check(cudaStreamSynchronize(stream), "the first exchange failed");
  cudaFree(memory);
  cudaStreamDestroy(stream);
}

void NcclCollectives::exchange(const Fp8cTransfer *sends, int sendCount,
                               const Fp8cTransfer *receives, int receiveCount,
                               bool stays, void *onStream) {
  if (leftOut)
    return;
  auto *const stream = static_cast<cudaStream_t>(onStream);
  if (peers)
    return peers->exchange(receives, receiveCount, stays, stream);
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

/// As warmUp(), for what sums use.
void NcclCollectives::warmUpSums() {
  Processes::Waiting waiting(processes, "NCCL's first sum");
  void *memory = nullptr;
  constexpr size_t bytes = 1 << 20;
  check(cudaMalloc(&memory, bytes), "no memory");
  check(cudaMemset(memory, 0, bytes), "cannot clear memory");
  check(ncclAllReduce(memory, memory, bytes, ncclFloat8e4m3, ncclSum, comm,
                      nullptr),
        "cannot sum FP8");
  check(cudaStreamSynchronize(nullptr), "the first sum failed");
  cudaFree(memory);
}

void NcclCollectives::prepare() {
  if (!wantsSums || warmForSums)
    return;
  if (!comm)
    start();
  warmUpSums();
  warmForSums = true;
}

void NcclCollectives::sumCodes(const void *input, void *output, uint64_t count,
                               bool isE5M2, void *stream) {
  wantsSums = true;
  if (count && !leftOut)
    check(ncclAllReduce(input, output, count,
                        isE5M2 ? ncclFloat8e5m2 : ncclFloat8e4m3, ncclSum, comm,
                        static_cast<cudaStream_t>(stream)),
          "cannot sum FP8");
}

} // namespace
} // namespace fp8c::runtime

fp8c::runtime::Collectives *
fp8c_join_gpus(fp8c::runtime::Processes &processes,
               const std::vector<fp8c::runtime::DeviceBlock> &blocks) {
  return new fp8c::runtime::NcclCollectives(processes, blocks);
}
