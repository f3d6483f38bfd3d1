//===- stats.h - Quantisation and what it observes ------------------------===//
//
// Every quantising kernel reports the largest magnitude it saw (amax), how
// many values it saturated, and how many were not finite. All three are
// integers combined by max and sum, so the result does not depend on order:
// not on threads, blocks or vector lanes. (Finite floats order like their
// bits, hence amax as bits; a float max would drop NaN silently.)
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_COMMON_STATS_H
#define FP8C_KERNELS_COMMON_STATS_H

#include "kernels/common/math.h"
#include "kernels/common/types.h"

namespace fp8c {

/// Memory layout of a value of type !fp8.stats; zeroed before use.
struct Stats {
  uint32_t amax_bits;
  uint32_t saturated;
  uint32_t nonfinite;
};

/// Accumulates the statistics of one row or chunk in registers.
struct Amax {
  uint32_t amax_bits = 0;
  uint32_t saturated = 0;
  uint32_t nonfinite = 0;

  /// Counts x in, and returns it.
  FP8C_FN float add(float x) {
    const uint32_t bits = bits_of(x) & 0x7fffffffu;
    const bool finite = int32_t(bits) < 0x7f800000;
    const uint32_t candidate = finite ? bits : 0;
    amax_bits = amax_bits > candidate ? amax_bits : candidate;
    nonfinite += finite ? 0 : 1;
    return x;
  }
};

/// x * scale in format T, saturating, with x counted into `amax`.
template <class T> FP8C_FN T quantize(float x, float scale, Amax &amax) {
  constexpr float limit = max_finite<T>();
  const bool finite = int32_t(bits_of(x) & 0x7fffffffu) < 0x7f800000;
  float y = amax.add(x) * scale;
  amax.saturated += finite && abs(y) > limit ? 1 : 0;
  // FP8 conversions saturate by themselves, the wider formats do not. A NaN
  // fails both comparisons and stays.
  if (sizeof(T) > 1) {
    y = y > limit ? limit : y;
    y = y < -limit ? -limit : y;
  }
  return from_float<T>(y);
}

} // namespace fp8c

#endif // FP8C_KERNELS_COMMON_STATS_H
