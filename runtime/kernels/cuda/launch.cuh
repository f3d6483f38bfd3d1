//===- launch.cuh - Launching kernels -------------------------------------===//

#ifndef FP8C_KERNELS_CUDA_LAUNCH_CUH
#define FP8C_KERNELS_CUDA_LAUNCH_CUH

#include "kernels/common/shared_memory.h"
#include "kernels/cuda/stream.h"

namespace fp8c {
namespace detail {

/// Bytes of shared memory that launches can ask for, on every GPU that the
/// source is compiled for.
constexpr int64_t least_launch_bytes() {
#ifdef __CUDA_ARCH_LIST__
  constexpr int capabilities[] = {__CUDA_ARCH_LIST__};
#else
  constexpr int capabilities[] = {900};
#endif
  int64_t least = launch_shared_bytes(capabilities[0]);
  for (int capability : capabilities)
    if (launch_shared_bytes(capability) < least)
      least = launch_shared_bytes(capability);
  return least;
}
inline constexpr int64_t max_launch_bytes = least_launch_bytes();

/// Lets a kernel have more shared memory than the 48 KiB that every kernel may
/// have, its static arrays included.
inline void allow_shared(const void *kernel, size_t dynamic) {
  if (!dynamic)
    return;
  cudaFuncAttributes attributes;
  check(cudaFuncGetAttributes(&attributes, kernel),
        "cannot ask about a kernel");
  if (attributes.sharedSizeBytes + dynamic <= 48 * 1024)
    return;
  int device = 0, most = 0;
  check(cudaGetDevice(&device), "no device");
  check(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin,
                               device),
        "cannot ask about the device");
  if (attributes.sharedSizeBytes + dynamic > size_t(most))
    throw std::runtime_error(
        "a kernel needs " +
        std::to_string(attributes.sharedSizeBytes + dynamic) +
        " bytes of shared memory, but a block of this GPU has at most " +
        std::to_string(most) + ": compile for this GPU with --gpu");
  check(cudaFuncSetAttribute(
            kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, int(dynamic)),
        "cannot have so much shared memory");
}

/// Enqueues `kernel` with `shared` bytes of dynamic shared memory.
template <class... Params, class... Args>
void launch(const Stream &stream, void (*kernel)(Params...), dim3 grid,
            dim3 block, size_t shared, Args... args) {
  if (stream.planning())
    return;
  allow_shared(reinterpret_cast<const void *>(kernel), shared);
  kernel<<<grid, block, shared, stream.handle()>>>(args...);
  check(cudaGetLastError(), "cannot launch a kernel");
}

inline unsigned blocks_for(int64_t n, int64_t per_block) {
  return unsigned((n + per_block - 1) / per_block);
}

} // namespace detail

/// The device address of a constant array of the program.
template <class T, size_t N> const T *device_address(const T (&values)[N]) {
  void *address = nullptr;
  check(cudaGetSymbolAddress(&address, values), "a constant of the program");
  return static_cast<const T *>(address);
}

} // namespace fp8c

#endif // FP8C_KERNELS_CUDA_LAUNCH_CUH
