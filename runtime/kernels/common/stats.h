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

/// The magnitude of x if it is finite, else 0, as bits that order alike. A GPU
/// predicates; elsewhere see mask_above.
FP8C_FN uint32_t finite_magnitude_bits(float x) {
  const uint32_t bits = magnitude_bits(x);
#if defined(__CUDA_ARCH__)
  return bits <= largest_finite_bits ? bits : 0u;
#else
  return bits & ~mask_above(bits, largest_finite_bits);
#endif
}

/// count + 1 if the condition holds. A GPU predicates; elsewhere see
/// mask_above.
FP8C_FN uint32_t counted(uint32_t count, bool condition) {
  return condition ? count + 1 : count;
}

} // namespace detail

/// Accumulates the statistics of one row or chunk in registers.
struct Amax {
  uint32_t amax_bits = 0;
  uint32_t saturated = 0;
  uint32_t nonfinite = 0;

  /// Counts x in, and returns it.
  FP8C_FN float add(float x) {
#if defined(__CUDA_ARCH__)
    const uint32_t magnitude = detail::magnitude_bits(x);
    const bool finite = magnitude <= detail::largest_finite_bits;
    nonfinite = detail::counted(nonfinite, !finite);
    amax_bits = finite && magnitude > amax_bits ? magnitude : amax_bits;
    return x;
#else
    const uint32_t bits = detail::magnitude_bits(x);
    const uint32_t bad = detail::mask_above(bits, detail::largest_finite_bits);
    const uint32_t candidate = bits & ~bad;
    amax_bits = amax_bits > candidate ? amax_bits : candidate;
    nonfinite -= bad;
    return x;
#endif
  }
  /// Counts a finite x that, scaled to y, is beyond `limit`.
  FP8C_FN void saturate(float x, float y, float limit) {
#if defined(__CUDA_ARCH__)
    saturated = detail::counted(saturated, abs(y) > limit &&
                                               detail::magnitude_bits(x) <=
                                                   detail::largest_finite_bits);
#else
    const uint32_t bad = detail::mask_above(detail::magnitude_bits(x),
                                            detail::largest_finite_bits);
    saturated -=
        detail::mask_above(detail::magnitude_bits(y), bits_of(limit)) & ~bad;
#endif
  }
};

/// Counts x into `amax`.
FP8C_FN void count(Amax &amax, float x) { amax.add(x); }
namespace detail {

/// x limited to magnitudes up to `limit`; NaN fails both comparisons and stays.
FP8C_FN float limited(float x, float limit) {
  x = x > limit ? limit : x;
  return x < -limit ? -limit : x;
}

} // namespace detail

/// x * scale in format T, saturating, with x counted into `amax`.
template <class T> FP8C_FN T quantize(float x, float scale, Amax &amax) {
  constexpr float limit = max_finite<T>();
  float y = amax.add(x) * scale;
  amax.saturate(x, y, limit);
  // FP8 conversions saturate by themselves, wider ones do not.
  if (sizeof(T) > 1)
    y = detail::limited(y, limit);
  return from_float<T>(y);
}

/// x limited to magnitudes up to `limit`; `amax` counts those beyond it.
FP8C_FN float clamp(float x, float limit, Amax &amax) {
  amax.saturate(x, amax.add(x), limit);
  return detail::limited(x, limit);
}

//===----------------------------------------------------------------------===//
// Stochastic rounding
//===----------------------------------------------------------------------===//

/// A hash of a key, an element's index and a number that tells streams apart.
FP8C_FN uint32_t random_bits(uint32_t key, int64_t index, uint32_t stream) {
  uint32_t h = uint32_t(index) ^ (key * 0x9e3779b9u + stream * 0x85ebca6bu);
  h ^= h >> 16;
  h *= 0x7feb352du;
  h ^= h >> 15;
  h *= 0x846ca68bu;
  h ^= h >> 16;
  return h;
}

/// Random bits for rounding element `index`. Two neighbours share a hash: of
/// the second only the upper 16 bits are random.
FP8C_FN uint32_t rounding_bits(uint32_t key, int64_t index, uint32_t stream) {
  const uint32_t both = random_bits(key, int64_t(uint64_t(index) >> 1), stream);
  return both << (16 * (uint32_t(index) & 1));
}

namespace detail {

/// round_stochastic of a number, before it is converted. The upper bits of
/// `random` are added below the last bit that T has; a carry rounds up.
template <class T>
FP8C_FN float stochastic_neighbour(float y, uint32_t random) {
  using Format = typename FormatOf<T>::type;
  // Beside the smallest normal number, what T cannot normalise has the same
  // last bit as what it can.
  const float normal = from_bits(uint32_t(127 + 1 - Format::bias) << 23);
  const float offset = abs(y) < normal ? normal : 0.0f;
  const uint32_t up =
      bits_of(abs(y) + offset) + (random >> (32 - Format::shift));
  const float rounded = from_bits(up & (~0u << Format::shift)) - offset;
  return from_bits(bits_of(rounded) | (bits_of(y) & 0x80000000u));
}

} // namespace detail

/// The value of T below or above y, the nearer the likelier; y is in T's range.
/// What T can represent stays, whatever the random bits are.
template <class T> FP8C_FN T round_stochastic(float y, uint32_t random) {
  return from_float<T>(y != y ? y : detail::stochastic_neighbour<T>(y, random));
}

/// As quantize(x, scale, amax), rounded stochastically.
template <class T>
FP8C_FN T quantize(float x, float scale, Amax &amax, uint32_t random) {
  constexpr float limit = max_finite<T>();
  const float y = amax.add(x) * scale;
  amax.saturate(x, y, limit);
  return round_stochastic<T>(detail::limited(y, limit), random);
}

} // namespace fp8c

#endif // FP8C_KERNELS_COMMON_STATS_H
