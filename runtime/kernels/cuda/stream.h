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
#include <vector>

namespace fp8c {

/// When an op of a program began.
struct OpMark {
  const char *name; ///< of the IR, and its shapes; null: the end of a section
  cudaEvent_t event;
  bool beside; ///< in a section: see Async
};

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
  /// Gets a mark for every op; null if nobody asks for times.
  std::vector<OpMark> *profile;
  /// Device copies of the tables that a function passes to its kernels, in
  /// order; made while planning. `next_table` is set to 0 before each call.
  std::vector<void *> *tables;
  size_t next_table;
  /// For work beside that on `stream`, or null; when sections of it began and
  /// ended.
  cudaStream_t beside;
  bool is_beside; ///< whether `stream` is that one now
  cudaEvent_t began;
  std::vector<cudaEvent_t> *ended;
  /// The other GPUs that run the program; null if there are none.
  const Fp8cCollectives *collectives;
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

  /// Says what op the following calls belong to.
  void op(const char *name) const {
    if (!context->profile || planning())
      return;
    cudaEvent_t event;
    check(cudaEventCreate(&event), "cannot make an event");
    check(cudaEventRecord(event, handle()), "cannot record an event");
    context->profile->push_back({name, event, context->is_beside});
  }

  /// The device's copy of a table that is the same in every call of a function.
  template <class T> const T *table(const std::vector<T> &host) const {
    std::vector<void *> &tables = *context->tables;
    const size_t index = context->next_table++;
    if (planning()) {
      if (index == tables.size()) {
        tables.push_back(nullptr);
        check(cudaMalloc(&tables.back(), host.size() * sizeof(T)),
              "no memory for a table");
      }
      check(cudaMemcpy(tables[index], host.data(), host.size() * sizeof(T),
                       cudaMemcpyHostToDevice),
            "cannot write a table");
    }
    return static_cast<const T *>(tables.at(index));
  }

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

inline bool is_async(const Stream &stream) {
  return stream.context->beside && !stream.planning();
}

/// While it lives, work goes to the second stream, after all that is on the
/// first one.
class Async {
public:
  Async(const Stream &stream, size_t section)
      : context(*stream.context), section(section),
        is_beside(is_async(stream)) {
    if (!is_beside)
      return;
    while (context.ended->size() <= section) {
      context.ended->push_back(nullptr);
      check(cudaEventCreateWithFlags(&context.ended->back(),
                                     cudaEventDisableTiming),
            "cannot make an event");
    }
    check(cudaEventRecord(context.began, context.stream),
          "cannot record an event");
    check(cudaStreamWaitEvent(context.beside, context.began, 0),
          "cannot wait for an event");
    swap();
  }
  ~Async() {
    if (!is_beside)
      return;
    mark_end();
    cudaEventRecord((*context.ended)[section], context.stream);
    swap();
  }
  Async(const Async &) = delete;
  Async &operator=(const Async &) = delete;

private:
  void swap() {
    const cudaStream_t other = context.stream;
    context.stream = context.beside;
    context.beside = other;
    context.is_beside = !context.is_beside;
  }
  void mark_end() {
    cudaEvent_t event;
    if (!context.profile || cudaEventCreate(&event) != cudaSuccess)
      return;
    cudaEventRecord(event, context.stream);
    context.profile->push_back({nullptr, event, true});
  }
  CudaContext &context;
  size_t section;
  bool is_beside;
};

/// What follows comes after all of the section.
inline void wait_for_async(const Stream &stream, size_t section) {
  if (!is_async(stream))
    return;
  stream.op("wait for a section");
  check(cudaStreamWaitEvent(stream.handle(), (*stream.context->ended)[section],
                            0),
        "cannot wait for an event");
}

/// Workspace that there always is, for cuBLASLt: its heuristic knows no
/// algorithm for H100 that wants more.
constexpr uint64_t min_workspace_bytes = uint64_t(32) << 20;

} // namespace fp8c

#endif // FP8C_KERNELS_CUDA_STREAM_H
