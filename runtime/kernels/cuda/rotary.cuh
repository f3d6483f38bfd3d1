//===- rotary.cuh - Rotary position embedding -----------------------------===//
//
// See kernels/cpu/rotary.h for what is computed.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_CUDA_ROTARY_CUH
#define FP8C_KERNELS_CUDA_ROTARY_CUH

#include "kernels/common/shapes.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/pack.cuh"

namespace fp8c {

namespace detail {

/// A thread takes a pair, or two of the elements that are only copied.
template <class T>
__global__ void rotary_kernel(const T *x, const float *cos, const float *sin,
                              T *y, RotaryShape s) {
  const int64_t pairs = s.head_dim / 2, half = s.rotary_dim / 2;
  const int64_t p = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  const int64_t t = p / (s.heads * pairs), h = p / pairs % s.heads;
  const int64_t i = p % pairs;
  if (t >= s.batch * s.seq)
    return;
  const T *from = x + t * s.x_stride + h * s.head_dim;
  T *to = y + t * s.y_stride + h * s.head_dim;
  if (i >= half) {
    to[2 * i] = from[2 * i];
    to[2 * i + 1] = from[2 * i + 1];
    return;
  }
  const int64_t angle = (s.batched_angles ? t : t % s.seq) * half + i;
  const int64_t one = s.interleaved ? 2 * i : i;
  const int64_t two = s.interleaved ? 2 * i + 1 : i + half;
  const float c = cos[angle], d = (s.inverse ? -1.0f : 1.0f) * sin[angle];
  const float first = load(from, one), second = load(from, two);
  store(to, one, first * c - second * d);
  store(to, two, second * c + first * d);
}

} // namespace detail

/// y may be x.
template <class T>
void rotary(const Stream &stream, const T *x, const float *cos,
            const float *sin, T *y, const RotaryShape &s) {
  const int64_t pairs = s.batch * s.seq * s.heads * (s.head_dim / 2);
  detail::launch(stream, detail::rotary_kernel<T>,
                 detail::blocks_for(pairs, 256), 256, 0, x, cos, sin, y, s);
}

} // namespace fp8c

#endif // FP8C_KERNELS_CUDA_ROTARY_CUH
