//===- copy.cuh - Moving and filling tensors ------------------------------===//
//
// The CUDA side of kernels/cpu/copy.h: a copy between two strided views serves
// transposes, slices, concatenations, pads and broadcasts.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_CUDA_COPY_CUH
#define FP8C_KERNELS_CUDA_COPY_CUH

#include "kernels/common/copy_loops.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/pack.cuh"

#include <type_traits>

namespace fp8c {
namespace detail {

template <class T, class Out>
__global__ void copy_kernel(const T *src, Out *dst, CopyLoops loops,
                            int64_t n) {
  const int64_t step = int64_t(gridDim.x) * blockDim.x;
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < n;
       i += step) {
    int64_t rest = i, from = 0, to = 0;
    for (int d = loops.rank - 1; d >= 0; --d) {
      const int64_t at = rest % loops.size[d];
      rest /= loops.size[d];
      from += at * loops.src[d];
      to += at * loops.dst[d];
    }
    move(dst + to, src + from);
  }
}

/// dst[i * dst_row + j] = src[j * src_col + i] of bytes, in tiles of 64 x 64:
/// words of four are read along i and written along j.
constexpr int byte_tile = 64;

static __global__ void transpose_bytes_kernel(const unsigned char *src,
                                              unsigned char *dst, int64_t rows,
                                              int64_t cols, int64_t dst_row,
                                              int64_t src_col) {
  __shared__ uint32_t tile[byte_tile][byte_tile / 4 + 1];
  const int64_t i0 = int64_t(blockIdx.x) * byte_tile;
  const int64_t j0 = int64_t(blockIdx.y) * byte_tile;
  const int word = threadIdx.x % 16, line = threadIdx.x / 16;
#pragma unroll
  for (int l = line; l < byte_tile; l += 16)
    if (j0 + l < cols && i0 + 4 * word < rows)
      tile[l][word] = *reinterpret_cast<const uint32_t *>(
          src + (j0 + l) * src_col + i0 + 4 * word);
  __syncthreads();
  // A thread turns 4 x 4 bytes.
  const int i = 4 * (threadIdx.x / 16), j = 4 * (threadIdx.x % 16);
  if (i0 + i >= rows || j0 + j >= cols)
    return;
  const uint32_t a = tile[j][i / 4], b = tile[j + 1][i / 4];
  const uint32_t c = tile[j + 2][i / 4], d = tile[j + 3][i / 4];
  const uint32_t ab_low = __byte_perm(a, b, 0x5140);
  const uint32_t ab_high = __byte_perm(a, b, 0x7362);
  const uint32_t cd_low = __byte_perm(c, d, 0x5140);
  const uint32_t cd_high = __byte_perm(c, d, 0x7362);
  unsigned char *out = dst + (i0 + i) * dst_row + j0 + j;
  *reinterpret_cast<uint32_t *>(out) = __byte_perm(ab_low, cd_low, 0x5410);
  *reinterpret_cast<uint32_t *>(out + dst_row) =
      __byte_perm(ab_low, cd_low, 0x7632);
  *reinterpret_cast<uint32_t *>(out + 2 * dst_row) =
      __byte_perm(ab_high, cd_high, 0x5410);
  *reinterpret_cast<uint32_t *>(out + 3 * dst_row) =
      __byte_perm(ab_high, cd_high, 0x7632);
}

template <class T> __global__ void fill_kernel(T *p, int64_t n, T value) {
  const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < n)
    p[i] = value;
}

} // namespace detail

/// dst[i, ...] = src[i, ...] for all indices below `shape`; a source stride of
/// 0 broadcasts. Strides are in elements.
template <class T, class Out, int Rank>
void copy(const Stream &stream, const T *src, Out *dst,
          const int64_t (&shape)[Rank], const int64_t (&src_strides)[Rank],
          const int64_t (&dst_strides)[Rank]) {
  using namespace detail;
  int64_t n = 1;
  for (int64_t size : shape)
    n *= size;
  if (n == 0)
    return;
  const CopyLoops loops(Rank, shape, src_strides, dst_strides);
  if (sizeof(T) == 1 && std::is_same<T, Out>::value && loops.rank == 2 &&
      loops.src[0] == 1 && loops.dst[1] == 1 && loops.size[0] % 4 == 0 &&
      loops.size[1] % 4 == 0 && loops.dst[0] % 4 == 0 && loops.src[1] % 4 == 0)
    return launch(stream, transpose_bytes_kernel,
                  dim3(blocks_for(loops.size[0], byte_tile),
                       blocks_for(loops.size[1], byte_tile)),
                  256, 0, reinterpret_cast<const unsigned char *>(src),
                  reinterpret_cast<unsigned char *>(dst), loops.size[0],
                  loops.size[1], loops.dst[0], loops.src[1]);
  if (std::is_same<T, Out>::value && loops.rank == 2 && loops.size[0] == 1 &&
      loops.src[1] == 1 && loops.dst[1] == 1) {
    if (!stream.planning())
      check(cudaMemcpyAsync(dst, src, n * sizeof(T), cudaMemcpyDeviceToDevice,
                            stream.handle()),
            "cannot copy");
    return;
  }
  launch(stream, copy_kernel<T, Out>, blocks_for(n, 1024), 256, 0, src, dst,
         loops, n);
}

template <class T>
void fill(const Stream &stream, T *p, int64_t n, float value) {
  if (value == 0.0f) {
    if (!stream.planning())
      check(cudaMemsetAsync(p, 0, n * sizeof(T), stream.handle()),
            "cannot fill");
    return;
  }
  detail::launch(stream, detail::fill_kernel<T>, detail::blocks_for(n, 256),
                 256, 0, p, n, detail::filling<T>(value));
}

} // namespace fp8c

#endif // FP8C_KERNELS_CUDA_COPY_CUH
