//===- math.h - Elementary functions in float -----------------------------===//
//
// Branch-free versions that vectorise without -ffast-math and are the same
// text on the CPU and in CUDA, so that both targets agree: but for softmax,
// tanh and sigmoid, where CUDA's special function unit makes kernels twice as
// fast and differs in the last bits, and sin and cos, which are the libraries'.
// NaN goes through every function; infinities, zeros and subnormals are handled
// as in C.
//
// Largest errors that test/unit/kernels measures, in units in the last place:
// exp 1.02, log 0.83, tanh 2.4, sigmoid 2.3, erf 1.7, rsqrt 1.5, pow 0.51; sqrt
// and reciprocal are rounded correctly.
//
// Methods: argument reduction after Cody and Waite, "Software Manual for the
// Elementary Functions" (1980); the polynomials are weighted minimax fits
// (fit_math.py prints them).
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_COMMON_MATH_H
#define FP8C_KERNELS_COMMON_MATH_H

#include "kernels/common/target.h"

namespace fp8c {

FP8C_FN float abs(float x) {
#if defined(__CUDA_ARCH__)
  return fabsf(x); // part of the instruction that reads it
#else
  return from_bits(bits_of(x) & 0x7fffffffu);
#endif
}
FP8C_FN float max(float a, float b) { return a > b || a != a ? a : b; }
FP8C_FN float min(float a, float b) { return a < b || a != a ? a : b; }
FP8C_FN float floor(float x) { return __builtin_floorf(x); }
FP8C_FN float ceil(float x) { return __builtin_ceilf(x); }
/// The nearest integer, of two the even one.
FP8C_FN float round_to_even(float x) { return __builtin_rintf(x); }
FP8C_FN float rsqrt(float x) { return 1.0f / sqrt(x); }
FP8C_FN float reciprocal(float x) { return 1.0f / x; }

/// c ? a : b. The conditional operator would do, but if storing one of the two
/// changes nothing, g++ makes a branch of it and then a masked store, which is
/// slow; masked bits stay what they are.
FP8C_FN float select(bool c, float a, float b) {
#if defined(__CUDA_ARCH__)
  return c ? a : b;
#else
  const uint32_t mask = -uint32_t(c);
  return from_bits((bits_of(a) & mask) | (bits_of(b) & ~mask));
#endif
}

/// For angles of any size, which takes more than a polynomial: the target's.
FP8C_FN float sin(float x) {
#if defined(__CUDA_ARCH__)
  return sinf(x);
#else
  return __builtin_sinf(x);
#endif
}
FP8C_FN float cos(float x) {
#if defined(__CUDA_ARCH__)
  return cosf(x);
#else
  return __builtin_cosf(x);
#endif
}

namespace detail {

/// ln 2 in two parts; the first has so few bits that n * ln2_high is exact.
constexpr float ln2_high = 0x1.62e4p-1f;
constexpr float ln2_low = 0x1.7f7d1cp-20f;

FP8C_FN float with_sign_of(float magnitude, float x) {
  return from_bits(bits_of(magnitude) | (bits_of(x) & 0x80000000u));
}

/// 2^n for n in [-126, 127].
FP8C_FN float power_of_two(int32_t n) {
  return from_bits(uint32_t(n + 127) << 23);
}

/// x = n ln 2 + r, |r| <= ln 2 / 2, and expm1_r = e^r - 1.
struct ExpParts {
  int32_t n;
  float expm1_r;
};

FP8C_FN ExpParts exp_parts(float x) {
  // Adding 1.5 * 2^23 leaves the nearest integer in the low mantissa bits.
  const float magic = 0x1.8p23f;
  const float shifted = fma(x, 0x1.715476p0f, magic);
  const float n = shifted - magic;
  float r = fma(n, -ln2_high, x);
  r = fma(n, -ln2_low, r);
  float q = 0x1.6ba49ap-10f;
  q = fma(q, r, 0x1.122a72p-7f);
  q = fma(q, r, 0x1.5556f0p-5f);
  q = fma(q, r, 0x1.5554aep-3f);
  q = fma(q, r, 0x1.fffffep-2f);
  return {int32_t(bits_of(shifted) - bits_of(magic)), fma(r * r, q, r)};
}

#if defined(__CUDA_ARCH__)
/// 2^x to 2 ulp, by the special function unit.
FP8C_FN float exp2_approx(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
constexpr float log2_e = 0x1.715476p0f;
#endif

/// e^x of a difference to a maximum, for softmax: x is at most a few roundings
/// above 0, and what would be subnormal is some number below 2^-125 instead.
FP8C_FN float exp_nonpositive(float x) {
#if defined(__CUDA_ARCH__)
  return exp2_approx(x * log2_e);
#endif
  const ExpParts e = exp_parts(x < -87.0f ? -87.0f : x);
  const float scale = power_of_two(e.n);
  return fma(scale, e.expm1_r, scale);
}

/// e^x - 1 for |x| <= 80, accurate near 0.
FP8C_FN float expm1(float x) {
  const ExpParts e = exp_parts(x);
  const float scale = power_of_two(e.n);
  return fma(scale, e.expm1_r, scale - 1.0f);
}

} // namespace detail

FP8C_FN float exp(float x) {
  // Beyond these bounds the result is infinity or zero in any case.
  x = x > 89.0f ? 89.0f : x;
  x = x < -104.0f ? -104.0f : x;
  const detail::ExpParts e = detail::exp_parts(x);
  // Two factors, because 2^n alone may be subnormal or infinite.
  const int32_t half = e.n >> 1;
  return (1.0f + e.expm1_r) * detail::power_of_two(half) *
         detail::power_of_two(e.n - half);
}

FP8C_FN float log(float x) {
  const bool subnormal = x < 0x1p-126f;
  const uint32_t bits = bits_of(subnormal ? x * 0x1p23f : x);
  // x = 2^k (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)).
  const int32_t k = int32_t(bits - 0x3f3504f3u) >> 23;
  const float f = from_bits(bits - (uint32_t(k) << 23)) - 1.0f;
  const float n = float(subnormal ? k - 23 : k);
  float p = -0x1.38c9dep-4f;
  p = fma(p, f, 0x1.055ec6p-3f);
  p = fma(p, f, -0x1.0d8242p-3f);
  p = fma(p, f, 0x1.22d92ep-3f);
  p = fma(p, f, -0x1.54728ap-3f);
  p = fma(p, f, 0x1.99a01cp-3f);
  p = fma(p, f, -0x1.000226p-2f);
  p = fma(p, f, 0x1.555554p-2f);
  const float f2 = f * f;
  const float tail = fma(f2 * f, p, n * detail::ln2_low) - 0.5f * f2;
  const float result = fma(n, detail::ln2_high, f + tail);
  const float infinity = from_bits(0x7f800000u);
  const float outside = x == 0.0f ? -infinity : from_bits(0x7fc00000u);
  const float positive = x < infinity ? result : x;
  return x > 0.0f ? positive : outside;
}

FP8C_FN float tanh(float x) {
  // tanh x = (e^2x - 1) / (e^2x + 1); 1 from about 9.01 on.
  float a = abs(x);
#if defined(__CUDA_ARCH__)
  // Divided by e^2x: absolute error below 2^-22, and so is GELU's.
  const float inverse = detail::exp2_approx(a * (-2.0f * detail::log2_e));
  return detail::with_sign_of(__fdividef(1.0f - inverse, 1.0f + inverse), x);
#endif
  a = a > 10.0f ? 10.0f : a;
  const float e = detail::expm1(2.0f * a);
  return detail::with_sign_of(e / (e + 2.0f), x);
}

FP8C_FN float sigmoid(float x) {
  // e^-|x| never overflows: 1 / (1 + e^-x) for x >= 0, e^x / (1 + e^x) below.
#if defined(__CUDA_ARCH__)
  const float e = detail::exp2_approx(-abs(x) * detail::log2_e);
  return __fdividef(x < 0.0f ? e : 1.0f, 1.0f + e);
#else
  const float e = exp(-abs(x));
  return (x < 0.0f ? e : 1.0f) / (1.0f + e);
#endif
}

FP8C_FN float erf(float x) {
  // erf a = 1 - e^(log erfc a), and log erfc a = a q(a) is so smooth that one
  // polynomial serves the whole range; erf is 1 from about 3.92 on.
  float a = abs(x);
  a = a > 4.0f ? 4.0f : a;
  float q = 0x1.3891b2p-17f;
  q = fma(q, a, -0x1.efda9cp-14f);
  q = fma(q, a, 0x1.4cfac0p-11f);
  q = fma(q, a, -0x1.b63338p-10f);
  q = fma(q, a, 0x1.5b02c4p-13f);
  q = fma(q, a, 0x1.39c0dcp-6f);
  q = fma(q, a, -0x1.a4f95ep-4f);
  q = fma(q, a, -0x1.45f2fep-1f);
  // The first coefficient, -2 / sqrt(pi), in two parts: near 0 it is all.
  q = fma(q, a, 0x1.f7ac92p-25f);
  q = fma(a, -0x1.20dd76p+0f, a * q);
  return detail::with_sign_of(-detail::expm1(q), x);
}

namespace detail {

/// log of a positive, finite, normal double to about 2^-36: 2 artanh(s).
FP8C_FN double log_double(double x) {
  const uint64_t bits = bits_of(x);
  const int64_t k = int64_t(bits - 0x3fe6a09e667f3bcdull) >> 52;
  const double m = from_bits(bits - (uint64_t(k) << 52));
  const double s = (m - 1.0) / (m + 1.0);
  const double s2 = s * s;
  double p = 1.0 / 15;
  p = p * s2 + 1.0 / 13;
  p = p * s2 + 1.0 / 11;
  p = p * s2 + 1.0 / 9;
  p = p * s2 + 1.0 / 7;
  p = p * s2 + 1.0 / 5;
  p = p * s2 + 1.0 / 3;
  p = p * s2 + 1.0;
  return double(int32_t(k)) * 0x1.62e42fefa39efp-1 + 2.0 * s * p;
}

/// e^x for |x| <= 200, to about 2^-37: Taylor's series after reduction.
FP8C_FN double exp_double(double x) {
  const double magic = 0x1.8p52;
  const double shifted = x * 0x1.71547652b82fep0 + magic;
  const double r = x - (shifted - magic) * 0x1.62e42fefa39efp-1;
  double p = 1.0 / 362880;
  p = p * r + 1.0 / 40320;
  p = p * r + 1.0 / 5040;
  p = p * r + 1.0 / 720;
  p = p * r + 1.0 / 120;
  p = p * r + 1.0 / 24;
  p = p * r + 1.0 / 6;
  p = p * r + 0.5;
  p = p * r + 1.0;
  p = p * r + 1.0;
  const uint64_t n = bits_of(shifted) - bits_of(magic);
  return p * from_bits((n + 1023) << 52);
}

} // namespace detail

/// x^y. Inside, double: y log x needs more bits than float has.
FP8C_FN float pow(float x, float y) {
  const float infinity = from_bits(0x7f800000u);
  const float a = abs(x);
  const bool ordinary = a > 0.0f && a < infinity;
  double power = detail::log_double(double(ordinary ? a : 1.0f)) * double(y);
  power = power > 200.0 ? 200.0 : power;
  power = power < -200.0 ? -200.0 : power;
  float result = float(detail::exp_double(power));
  // 0 and infinity: which of the two results depends on the sign of y.
  const float extreme = (a == 0.0f) == (y > 0.0f) ? 0.0f : infinity;
  result = ordinary ? result : extreme;
  // A negative base: odd powers are negative, fractional ones have no value.
  const float size = abs(y);
  const float whole = size < 0x1p23f ? (size + 0x1p23f) - 0x1p23f : size;
  const bool odd =
      size < 0x1p24f && (int32_t(whole < 0x1p24f ? whole : 0.0f) & 1);
  const float fraction = from_bits(0x7fc00000u);
  const bool negative = bits_of(x) >> 31;
  const float signed_result =
      whole == size ? (odd ? -result : result) : (ordinary ? fraction : result);
  result = negative ? signed_result : result;
  result = x != x || y != y ? x + y : result;
  return y == 0.0f || x == 1.0f ? 1.0f : result;
}

} // namespace fp8c

#endif // FP8C_KERNELS_COMMON_MATH_H
