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

/// Tells apart the partial sums of one kernel: a skeleton may keep them in
/// registers.
template <int> struct Slot {};

/// Memory layout of a value of type !fp8.stats; zeroed before use.
struct Stats {
  uint32_t amax_bits;
  uint32_t saturated;
  uint32_t nonfinite;
};

namespace detail {

/// All ones if magnitude bits a are above b, else zero. (Arithmetic instead of
/// a comparison: compilers turn conditional sums back into branches, and those
/// keep the loop from being vectorised.)
FP8C_FN uint32_t mask_above(uint32_t a, uint32_t b) {
  return uint32_t(int32_t(b - a) >> 31);
}

FP8C_FN uint32_t magnitude_bits(float x) { return bits_of(x) & 0x7fffffffu; }

constexpr uint32_t largest_finite_bits = 0x7f7fffffu;

} // namespace detail

/// Accumulates the statistics of one row or chunk in registers.
struct Amax {
  uint32_t amax_bits = 0;
  uint32_t saturated = 0;
  uint32_t nonfinite = 0;

  /// Counts x in, and returns it.
  FP8C_FN float add(float x) {
    const uint32_t bits = detail::magnitude_bits(x);
    const uint32_t bad = detail::mask_above(bits, detail::largest_finite_bits);
    const uint32_t candidate = bits & ~bad;
    amax_bits = amax_bits > candidate ? amax_bits : candidate;
    nonfinite -= bad;
    return x;
  }
};

/// Counts x into `amax`.
FP8C_FN void count(Amax &amax, float x) { amax.add(x); }

/// x * scale in format T, saturating, with x counted into `amax`.
template <class T> FP8C_FN T quantize(float x, float scale, Amax &amax) {
  using namespace detail;
  constexpr float limit = max_finite<T>();
  float y = amax.add(x) * scale;
  const uint32_t bad = mask_above(magnitude_bits(x), largest_finite_bits);
  amax.saturated -= mask_above(magnitude_bits(y), bits_of(limit)) & ~bad;
  // FP8 conversions saturate by themselves, wider ones do not. NaN fails both
  // comparisons and stays.
  if (sizeof(T) > 1) {
    y = y > limit ? limit : y;
    y = y < -limit ? -limit : y;
  }
  return from_float<T>(y);
}

} // namespace fp8c

#endif // FP8C_KERNELS_COMMON_STATS_H
