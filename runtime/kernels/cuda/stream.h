//===- stream.h - Where a CUDA program's work goes ------------------------===//
//
// Every function of this library takes a Stream first and only enqueues: no
// allocation, no wait for the device. So a whole program function can be
// captured as one CUDA graph.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_CUDA_STREAM_H
#define FP8C_KERNELS_CUDA_STREAM_H

#include "core/ProgramABI.h"

#include <cuda_runtime_api.h>
#include <stdexcept>
#include <string>

namespace fp8c {

/// What Fp8cCall::device points to for CUDA programs. The runtime owns it.
struct CudaContext {
  cudaStream_t stream;
  /// Scratch of the library calls on the stream, each of which may use all.
  unsigned char *workspace;
  uint64_t workspace_bytes;
  /// What library calls asked for while they planned.
  uint64_t workspace_needed;
  /// While library calls choose their plans (GEMM algorithms, attention
  /// engines): they run, kernels do not.
  bool planning;
};

inline void check(cudaError_t status, const char *what) {
  if (status != cudaSuccess)
    throw std::runtime_error(std::string(what) + ": " +
                             cudaGetErrorString(status));
}

struct Stream {
  CudaContext *context;

  explicit Stream(const Fp8cCall *call)
      : context(static_cast<CudaContext *>(call->device)) {}

  cudaStream_t handle() const { return context->stream; }
  bool planning() const { return context->planning; }

  /// The first `bytes` of the workspace as T; null while planning.
  template <class T> T *workspace(uint64_t bytes) const {
    if (planning()) {
      if (bytes > context->workspace_needed)
        context->workspace_needed = bytes;
      return nullptr;
    }
    if (bytes > context->workspace_bytes)
      throw std::runtime_error("a kernel needs " + std::to_string(bytes) +
                               " bytes of workspace, but there are " +
                               std::to_string(context->workspace_bytes));
    return reinterpret_cast<T *>(context->workspace);
  }
};

/// Workspace that there always is, for cuBLASLt: its heuristic knows no
/// algorithm for H100 that wants more.
constexpr uint64_t min_workspace_bytes = uint64_t(32) << 20;

} // namespace fp8c

#endif // FP8C_KERNELS_CUDA_STREAM_H
