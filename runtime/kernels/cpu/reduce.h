//===- reduce.h - Sums and maxima of one range ----------------------------===//
//
// Floating-point sums depend on their order, so the compiler may not vectorise
// them by itself. These fix an order that vectorises: element i goes to lane
// i mod 16, and the lanes are combined pairwise. The result is the same for
// every vector width.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_CPU_REDUCE_H
#define FP8C_KERNELS_CPU_REDUCE_H

#include "kernels/common/math.h"

namespace fp8c {
namespace detail {

constexpr int64_t reduction_lanes = 16;

template <class F, class Combine>
FP8C_FN float reduce(int64_t first, int64_t last, float identity, const F &f,
                     const Combine &combine) {
  float lane[reduction_lanes];
  for (float &value : lane)
    value = identity;
  int64_t i = first;
  // Unrolled before it is vectorised, the inner loop would not be any more.
  for (; i + reduction_lanes <= last; i += reduction_lanes)
#pragma GCC ivdep
#pragma GCC unroll 1
    for (int64_t l = 0; l < reduction_lanes; ++l)
      lane[l] = combine(lane[l], f(i + l));
  for (int64_t l = 0; i + l < last; ++l)
    lane[l] = combine(lane[l], f(i + l));
  for (int64_t half = reduction_lanes / 2; half > 0; half /= 2)
    for (int64_t l = 0; l < half; ++l)
      lane[l] = combine(lane[l], lane[l + half]);
  return lane[0];
}

/// The sum of f(i) over [first, last). f may store as it goes.
template <class F>
FP8C_FN float reduce_sum(int64_t first, int64_t last, const F &f) {
  return reduce(first, last, 0.0f, f, [](float a, float b) { return a + b; });
}

/// The largest f(i), NaN if there is one, -infinity for an empty range.
template <class F>
FP8C_FN float reduce_max(int64_t first, int64_t last, const F &f) {
  return reduce(first, last, -__builtin_inff(), f,
                [](float a, float b) { return max(a, b); });
}

} // namespace detail
} // namespace fp8c

#endif // FP8C_KERNELS_CPU_REDUCE_H
