//===- gather.cuh - Elements of rows by number ----------------------------===//

#ifndef FP8C_KERNELS_CUDA_GATHER_CUH
#define FP8C_KERNELS_CUDA_GATHER_CUH

#include "kernels/common/ids.h"
#include "kernels/cuda/skeletons.cuh"

namespace fp8c {
namespace detail {

template <class T, class Out>
__global__ void gather_kernel(const T *data, const int64_t *indices, Out *out,
                              int64_t n, int64_t count, int64_t width) {
  const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < n)
    store(out, i, element_of(data + i / count * width, indices[i], width));
}

/// A thread looks through the row's indices for those of its element, so that
/// they add up in order.
template <class T, class Out>
__global__ void gather_backward_kernel(const T *dy, const int64_t *indices,
                                       Out *ddata, int64_t n, int64_t count,
                                       int64_t width) {
  const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= n)
    return;
  const int64_t row = i / width, first = row * count;
  float sum = 0.0f;
  for (int64_t j = first; j < first + count; ++j)
    if (row_of(indices[j], width) == i - row * width)
      sum += load(dy, j);
  store(ddata, i, sum);
}

struct AddIntegers {
  template <class T> FP8C_INLINE T operator()(T a, T b) const {
    return fp8c::add(a, b);
  }
};
struct TakeLarger {
  template <class T> FP8C_INLINE T operator()(T a, T b) const {
    return larger(a, b);
  }
};

/// A warp reduces a row. Integers give the same in any order.
template <class T, class Combine>
__global__ void reduce_rows_kernel(const T *x, T *out, int64_t rows,
                                   int64_t cols, T start, Combine combine) {
  const int64_t i =
      (int64_t(blockIdx.x) * blockDim.x + threadIdx.x) / warp_size;
  if (i >= rows)
    return;
  T result = start;
  for (int64_t j = threadIdx.x % warp_size; j < cols; j += warp_size)
    result = combine(result, x[i * cols + j]);
  for (int distance = warp_size / 2; distance > 0; distance /= 2)
    result = combine(result, __shfl_xor_sync(all_lanes, result, distance));
  if (threadIdx.x % warp_size == 0)
    out[i] = result;
}

template <class T, class Combine>
void reduce_rows(const Stream &stream, const T *x, T *out, int64_t rows,
                 int64_t cols, T start, Combine combine) {
  launch(stream, reduce_rows_kernel<T, Combine>, blocks_for(rows, 8),
         8 * warp_size, 0, x, out, rows, cols, start, combine);
}

} // namespace detail

/// See kernels/cpu/gather.h.
template <class T, class Out>
void gather_elements(const Stream &stream, const T *data,
                     const int64_t *indices, Out *out, int64_t rows,
                     int64_t count, int64_t width) {
  const int64_t n = rows * count;
  detail::launch(stream, detail::gather_kernel<T, Out>,
                 detail::blocks_for(n, 256), 256, 0, data, indices, out, n,
                 count, width);
}

template <class T, class Out>
void gather_elements_backward(const Stream &stream, const T *dy,
                              const int64_t *indices, Out *ddata, int64_t rows,
                              int64_t count, int64_t width) {
  const int64_t n = rows * width;
  detail::launch(stream, detail::gather_backward_kernel<T, Out>,
                 detail::blocks_for(n, 256), 256, 0, dy, indices, ddata, n,
                 count, width);
}

template <class T>
void sum_rows(const Stream &stream, const T *x, T *out, int64_t rows,
              int64_t cols) {
  detail::reduce_rows(stream, x, out, rows, cols, T(0), detail::AddIntegers());
}

template <class T>
void max_rows(const Stream &stream, const T *x, T *out, int64_t rows,
              int64_t cols) {
  detail::reduce_rows(stream, x, out, rows, cols, detail::smallest_integer<T>(),
                      detail::TakeLarger());
}

} // namespace fp8c

#endif // FP8C_KERNELS_CUDA_GATHER_CUH
