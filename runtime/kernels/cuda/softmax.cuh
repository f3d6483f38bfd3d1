//===- softmax.cuh - A row of logits, its log-sum-exp and gradient --------===//

#ifndef FP8C_KERNELS_CUDA_SOFTMAX_CUH
#define FP8C_KERNELS_CUDA_SOFTMAX_CUH

#include "kernels/common/class_row.h"
#include "kernels/common/ids.h"
#include "kernels/cuda/skeletons.cuh"

namespace fp8c {
namespace detail {

constexpr int loss_threads = 512;

/// A running log-sum-exp: sum of e^(x - largest).
struct Softmax {
  float largest = -INFINITY, sum = 0.0f;

  template <class X> FP8C_INLINE void add(const X &x) {
    const float m = fp8c::max(largest, detail::largest(x));
    sum = sum * exp_nonpositive(largest - m) + total(exponentials(x, m));
    largest = m;
  }
  template <int N>
  static FP8C_INLINE Pack<N> exponentials(const Pack<N> &x, float m) {
    return each_lane<N>([&](int i) { return exp_nonpositive(x.v[i] - m); });
  }
  static FP8C_INLINE float exponentials(float x, float m) {
    return exp_nonpositive(x - m);
  }

  /// The log-sum-exp over all threads of the block.
  FP8C_INLINE float reduce() const {
    const float m = team_reduce<loss_threads>(
        largest, [](float a, float b) { return fp8c::max(a, b); });
    // A thread without elements has -inf - -inf.
    const float mine = sum == 0.0f ? 0.0f : sum * exp_nonpositive(largest - m);
    const float all =
        team_reduce<loss_threads>(mine, [](float a, float b) { return a + b; });
    return m + log(all);
  }
};

/// Logits j... of a row. Padding becomes so small that it is nothing beside any
/// logit, and finite, so that a thread that has only padding makes no NaN.
template <class Row, int N>
FP8C_INLINE Pack<N> masked(Pack<N> x, int64_t j, const Row &row) {
  if constexpr (Row::padded)
#pragma unroll
    for (int l = 0; l < N; ++l)
      if (j + l >= row.classes)
        x.v[l] = -0x1p126f;
  return x;
}
template <class Row>
FP8C_INLINE float masked(float x, int64_t j, const Row &row) {
  return Row::padded && j >= row.classes ? -0x1p126f : x;
}

/// The log-sum-exp of a row, in all threads of the block.
template <int N, class T, class Row>
FP8C_INLINE float block_log_sum_exp(const T *x, const Row &row) {
  Softmax s;
  for (int64_t j = threadIdx.x * N; j < row.width(); j += loss_threads * N)
    s.add(masked(load(x, Position<N>::at(j)), j, row));
  return s.reduce();
}

/// p at class `label` is one too large, and all of it is to be scaled.
template <int N>
FP8C_INLINE Pack<N> loss_gradient(Pack<N> p, int64_t j, int64_t label,
                                  float factor) {
#pragma unroll
  for (int l = 0; l < N; ++l)
    p.v[l] = (p.v[l] - (j + l == label ? 1.0f : 0.0f)) * factor;
  return p;
}
FP8C_INLINE float loss_gradient(float p, int64_t j, int64_t label,
                                float factor) {
  return (p - (j == label ? 1.0f : 0.0f)) * factor;
}

} // namespace detail
} // namespace fp8c

#endif // FP8C_KERNELS_CUDA_SOFTMAX_CUH
