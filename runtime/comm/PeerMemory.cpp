//===- PeerMemory.cpp - Other GPUs' memory as one's own -------------------===//

#include "comm/PeerMemory.h"

#include "core/Error.h"
#include "core/Text.h"

#include <algorithm>
#include <cstring>

namespace fp8c::runtime {
namespace {

void check(cudaError_t status, const char *what) {
  if (status != cudaSuccess)
    throw Error(concat("CUDA: ", what, ": ", cudaGetErrorString(status)));
}

/// A function of the driver, which is not linked: programs for one GPU start
/// without it.
template <class Function> Function *driverFunction(const char *name) {
  void *function = nullptr;
  cudaDriverEntryPointQueryResult result;
  if (cudaGetDriverEntryPointByVersion(
          name, &function, 12000, cudaEnableDefault, &result) != cudaSuccess)
    return nullptr;
  return reinterpret_cast<Function *>(function);
}

using BatchFunction = CUresult(CUstream, unsigned, CUstreamBatchMemOpParams *,
                               unsigned);
constexpr const char *batchName = "cuStreamBatchMemOp";

/// Flags of a barrier: one a process, set by it and cleared by the one that
/// waits. One is used again after so many barriers: by then all have passed.
constexpr uint64_t barriers = 4096;

} // namespace

PeerMemory::PeerMemory(Processes &processes,
                       const std::vector<DeviceBlock> &blocks)
    : rank(processes.rank), size(processes.size) {
  const uint64_t flagBytes = barriers * 4 * static_cast<uint64_t>(size);
  void *memory = nullptr;
  check(cudaMalloc(&memory, flagBytes), "no memory for flags");
  flags = static_cast<unsigned char *>(memory);
  check(cudaMemset(flags, 0, flagBytes), "cannot clear flags");
  check(cudaDeviceSynchronize(), "cannot clear flags");
  for (const DeviceBlock &block : blocks)
    open(processes, block);
  open(processes, {flags, flagBytes});
  if (why.empty() && !driverFunction<BatchFunction>(batchName))
    why = "the driver cannot wait for flags";
  for (const std::string &obstacle : processes.gather("obstacles", why))
    if (why.empty() && !obstacle.empty())
      why = "another GPU cannot";
}

PeerMemory::~PeerMemory() {
  for (const Mapped &block : mapped)
    for (unsigned char *peer : block.peers)
      if (peer)
        cudaIpcCloseMemHandle(peer);
  cudaFree(flags);
}

void PeerMemory::open(Processes &processes, const DeviceBlock &block) {
  cudaIpcMemHandle_t own = {};
  if (why.empty() && cudaIpcGetMemHandle(&own, block.base) != cudaSuccess)
    why = "its memory cannot be shared";
  const std::vector<cudaIpcMemHandle_t> all =
      processes.gatherValues("memory handles", own);
  Mapped opened = {block.base, block.bytes,
                   std::vector<unsigned char *>(static_cast<size_t>(size))};
  for (size_t peer = 0; peer < all.size() && why.empty(); ++peer) {
    void *address = nullptr;
    if (peer == static_cast<size_t>(rank))
      continue;
    const cudaError_t status = cudaIpcOpenMemHandle(
        &address, all[peer], cudaIpcMemLazyEnablePeerAccess);
    if (status != cudaSuccess)
      why = concat("the memory of rank ", peer,
                   " cannot be opened: ", cudaGetErrorString(status));
    opened.peers[peer] = static_cast<unsigned char *>(address);
  }
  cudaGetLastError(); // or the next call would report it
  mapped.push_back(std::move(opened));
}

const void *PeerMemory::at(int peer, const void *mirror) const {
  const auto *address = static_cast<const unsigned char *>(mirror);
  for (const Mapped &block : mapped)
    if (address >= block.own && address < block.own + block.bytes)
      return block.peers[static_cast<size_t>(peer)] + (address - block.own);
  throw Error("a program sends what is not in its memory");
}

/// In one batch: as many calls would be as many nodes of a graph.
void PeerMemory::barrier(cudaStream_t stream) {
  static auto *const batch = driverFunction<BatchFunction>(batchName);
  auto *own = flags + 4 * static_cast<uint64_t>(size) * (nextFlag++ % barriers);
  std::vector<CUstreamBatchMemOpParams> ops;
  auto add = [&](CUstreamBatchMemOpType operation, const void *base,
                 int process, cuuint32_t value, unsigned how) {
    CUstreamBatchMemOpParams op = {};
    const CUdeviceptr flag = reinterpret_cast<CUdeviceptr>(base) +
                             4 * static_cast<CUdeviceptr>(process);
    if (operation == CU_STREAM_MEM_OP_WRITE_VALUE_32)
      op.writeValue = {operation, flag, {value}, how, 0};
    else
      op.waitValue = {operation, flag, {value}, how, 0};
    ops.push_back(op);
  };
  for (int peer = 0; peer < size; ++peer)
    if (peer != rank) // with a fence before
      add(CU_STREAM_MEM_OP_WRITE_VALUE_32, at(peer, own), rank, 1,
          CU_STREAM_WRITE_VALUE_DEFAULT);
  for (int peer = 0; peer < size; ++peer)
    if (peer != rank) {
      add(CU_STREAM_MEM_OP_WAIT_VALUE_32, own, peer, 1,
          CU_STREAM_WAIT_VALUE_EQ);
      add(CU_STREAM_MEM_OP_WRITE_VALUE_32, own, peer, 0,
          CU_STREAM_WRITE_VALUE_DEFAULT);
    }
  constexpr size_t most = 256; // that a batch may have
  for (size_t first = 0; first < ops.size(); first += most)
    if (batch(stream, static_cast<unsigned>(std::min(most, ops.size() - first)),
              ops.data() + first, 0) != CUDA_SUCCESS)
      throw Error("CUDA: cannot wait for another GPU",
                  "set FP8C_PEER_MEMORY=0, which leaves it to NCCL");
}

void PeerMemory::exchange(const Fp8cTransfer *receives, int count, bool stays,
                          cudaStream_t stream) {
  barrier(stream);
  // Each begins with the one behind it: no two read from the same GPU at a
  // time, whose links they would share.
  for (int distance = 1; distance < size; ++distance) {
    const int peer = (rank + distance) % size;
    for (int i = 0; i < count; ++i)
      if (receives[i].peer == peer)
        check(cudaMemcpyAsync(receives[i].data, at(peer, receives[i].mirror),
                              receives[i].bytes, cudaMemcpyDeviceToDevice,
                              stream),
              "cannot copy from another GPU");
  }
  if (!stays) // else the next one's first barrier is this one's second
    barrier(stream);
}

} // namespace fp8c::runtime
