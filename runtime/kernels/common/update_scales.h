//===- update_scales.h - Scales of what the optimizer is about to write ---===//
//
// To quantise while it updates, the optimizer must know each tensor's scale
// before it has seen the new values. It takes a bound on them: what AdamW can
// make of the largest magnitudes of the last write, given the gradient's.
//
//   parameter   |1 - lr * decay| * a + lr * R
//   moment 1    beta1 * a + (1 - beta1) * g
//   moment 2    beta2 * a + (1 - beta2) * g^2, or the root of that
//
// R bounds Adam's quotient m^ / sqrt(v^). By Cauchy-Schwarz, with r = beta1^2 /
// beta2, |sum beta1^i g_i| <= sqrt(sum r^i) * sqrt(sum beta2^i g_i^2). The
// moments are rounded when they are stored, so R has a quarter to spare, and
// the update kernel limits the quotient to it and counts what it limits.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_COMMON_UPDATE_SCALES_H
#define FP8C_KERNELS_COMMON_UPDATE_SCALES_H

#include "kernels/common/scale_state.h"

namespace fp8c {

/// Scalars that all updates of a step share, in device memory.
struct UpdateScalars {
  const float *coefficient; ///< of clipping; negative: the step is skipped
  const float *lr, *beta1, *beta2, *weight_decay;
  const float *step; ///< from 1
  const float *seed; ///< an integer below 2^24
};

/// One tensor that the optimizer writes.
struct ScaleUpdate {
  enum Role { parameter, moment1, moment2 } role;
  bool decays;           ///< of a parameter: weight decay applies
  bool root;             ///< of a second moment: its square root is kept
  float max;             ///< largest finite value of the storage
  const float *gradient; ///< its scale pair, or its amax if gradient_max is 0
  float gradient_max;    ///< largest finite value of the gradient's storage
  float *pair;           ///< scale and inverse: the last ones, then the next
  Stats *stats;          ///< of the last write; cleared for the next
  float *previous;       ///< receives the last pair
};

namespace detail {

/// base^n by repeated squaring: the same bits everywhere.
FP8C_FN double power(double base, int64_t n) {
  double result = 1.0;
  for (; n > 0; n >>= 1) {
    result = n & 1 ? result * base : result;
    base *= base;
  }
  return result;
}

FP8C_FN double sqrt_double(double x) {
#if defined(__CUDA_ARCH__)
  return __dsqrt_rn(x);
#else
  return __builtin_sqrt(x);
#endif
}

} // namespace detail

/// R, at most 100: without a second moment to speak of there is no bound.
FP8C_FN float update_bound(const UpdateScalars &s) {
  const double beta1 = *s.beta1, beta2 = *s.beta2;
  const int64_t step = int64_t(*s.step);
  if (beta2 <= 0.0)
    return 100.0f;
  const double r = beta1 * beta1 / beta2;
  const double terms =
      r == 1.0 ? double(step) : (1.0 - detail::power(r, step)) / (1.0 - r);
  const double correction1 = (1.0 - beta1) / (1.0 - detail::power(beta1, step));
  const double correction2 = (1.0 - detail::power(beta2, step)) / (1.0 - beta2);
  const double bound =
      1.25 * correction1 * detail::sqrt_double(correction2 * terms);
  return bound < 100.0 ? float(bound) : 100.0f;
}

/// A hash of seed and step below 2^24, which a float holds.
FP8C_FN float rounding_key(const UpdateScalars &s) {
  return float(int32_t(
      random_bits(uint32_t(*s.seed), int64_t(*s.step), /*stream=*/7) >> 8));
}

/// The most that |x| can be of what is stored next.
FP8C_FN float bound_of(const ScaleUpdate &u, const UpdateScalars &s,
                       float quotient) {
  const float last = from_bits(u.stats->amax_bits);
  const float gradient =
      *s.coefficient * (u.gradient_max > 0.0f
                            ? u.gradient_max * u.gradient[scale_inverse_word]
                            : u.gradient[0]);
  if (u.role == ScaleUpdate::parameter) {
    const float kept = 1.0f - (u.decays ? *s.lr * *s.weight_decay : 0.0f);
    return abs(kept) * last + *s.lr * quotient;
  }
  if (u.role == ScaleUpdate::moment1)
    return *s.beta1 * last + (1.0f - *s.beta1) * gradient;
  const float square = u.root ? last * last : last;
  const float bound =
      *s.beta2 * square + (1.0f - *s.beta2) * (gradient * gradient);
  return u.root ? sqrt(bound) : bound;
}

/// The next scale of one tensor, a power of two. It stays if the step is
/// skipped or nothing is known; then what is stored is written back as it is.
FP8C_FN void update_scale(const ScaleUpdate &u, const UpdateScalars &s,
                          float quotient) {
  detail::store_pair(u.previous, u.pair[0], u.pair[scale_inverse_word]);
  const float bound = bound_of(u, s, quotient);
  if (*s.coefficient >= 0.0f && bound > 0.0f && bound < 0x1p126f) {
    const float scale = min(u.max / bound, 0x1p126f);
    const float power = from_bits(bits_of(scale) & 0xff800000u);
    detail::store_pair(u.pair, power, 1.0f / power);
  }
  *u.stats = Stats{0, 0, 0};
}

} // namespace fp8c

#endif // FP8C_KERNELS_COMMON_UPDATE_SCALES_H
