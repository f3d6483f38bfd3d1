//===- types.h - Narrow floating-point formats ----------------------------===//
//
// Storage types and their conversions. Arithmetic is always done in float:
// kernels load() to float, compute, and store() back.
//
// Formats: E4M3FN and E5M2 of the OCP "8-bit Floating Point Specification"
// (OFP8, 2023), IEEE 754 binary16, and bfloat16 (the upper half of binary32).
// All conversions round to nearest even and keep NaN. FP8 saturates: finite
// overflow and infinity become the largest finite value. binary16 and bfloat16
// overflow to infinity, as IEEE 754 has it.
//
// The code is free of branches and of table look-ups so that loops over it
// vectorise: every case is computed, and selects pick one.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_COMMON_TYPES_H
#define FP8C_KERNELS_COMMON_TYPES_H

#include "kernels/common/target.h"

namespace fp8c {

struct bf16 {
  uint16_t bits;
};
struct f16 {
  uint16_t bits;
};
struct e4m3 {
  uint8_t bits;
};
struct e5m2 {
  uint8_t bits;
};

namespace detail {

/// A binary format with a sign, `E` exponent bits and `M` mantissa bits.
/// `MaxCode` is the largest finite code without the sign; codes above it are
/// infinity (where the format has one) and NaN.
template <int E, int M, uint32_t MaxCode, uint32_t NanCode, bool Saturate>
struct Format {
  static constexpr int bias = (1 << (E - 1)) - 1;
  static constexpr int shift = 23 - M;
  static constexpr int32_t max_code = MaxCode;
  static constexpr int32_t overflow_code = Saturate ? MaxCode : MaxCode + 1;
  static constexpr uint32_t sign_bit = 1u << (E + M);

  static FP8C_FN uint32_t encode(float v) {
    const uint32_t sign = (bits_of(v) >> 31) * sign_bit;
    const uint32_t magnitude = bits_of(v) & 0x7fffffffu;

    // Normal range: change the bias, add just under half a unit, or exactly
    // half if the kept part is odd, and drop the rest. A carry out of the
    // mantissa raises the exponent, as it should.
    const uint32_t odd = (magnitude >> shift) & 1;
    const int32_t normal = (magnitude - (uint32_t(127 - bias) << 23) +
                            ((1u << (shift - 1)) - 1) + odd) >>
                           shift;

    // Subnormal range: a unit in the last place of `magic` is the smallest
    // subnormal, so the addition itself rounds to a multiple of it.
    const uint32_t magic = uint32_t(127 + 1 - bias - M + 23) << 23;
    const int32_t subnormal =
        bits_of(from_bits(magnitude) + from_bits(magic)) - magic;

    // Comparing floats, not their bits: without unsigned comparisons, x86 needs
    // three instructions for those.
    const float min_normal = from_bits(uint32_t(127 + 1 - bias) << 23);
    int32_t code = from_bits(magnitude) < min_normal ? subnormal : normal;
    code = code < overflow_code ? code : overflow_code;
    code = v != v ? int32_t(NanCode) : code;
    return sign | uint32_t(code);
  }

  static FP8C_FN float decode(uint32_t code) {
    const uint32_t sign = (code & sign_bit) << (31 - E - M);
    const uint32_t magnitude = code & (sign_bit - 1);
    const uint32_t mantissa = magnitude << shift;

    // Read with the exponent of the smallest normal, a subnormal is too large
    // by exactly that normal; the subtraction is exact.
    const uint32_t lowest = uint32_t(127 + 1 - bias) << 23;
    const uint32_t subnormal =
        bits_of(from_bits(mantissa + lowest) - from_bits(lowest));
    const uint32_t normal = mantissa + (uint32_t(127 - bias) << 23);
    const uint32_t special = mantissa | 0x7f800000u;

    uint32_t result = int32_t(magnitude) < (1 << M) ? subnormal : normal;
    result = int32_t(magnitude) > max_code ? special : result;
    return from_bits(sign | result);
  }
};

using E4M3 = Format<4, 3, 0x7e, 0x7f, /*Saturate=*/true>;
using E5M2 = Format<5, 2, 0x7b, 0x7e, /*Saturate=*/true>;
using F16 = Format<5, 10, 0x7bff, 0x7e00, /*Saturate=*/false>;

template <class T> struct FormatOf;
template <> struct FormatOf<e4m3> { using type = E4M3; };
template <> struct FormatOf<e5m2> { using type = E5M2; };
template <> struct FormatOf<f16> { using type = F16; };

} // namespace detail

//===----------------------------------------------------------------------===//
// to_float, from_float, round_to
//===----------------------------------------------------------------------===//

FP8C_FN float to_float(float v) { return v; }
FP8C_FN float to_float(bf16 v) { return from_bits(uint32_t(v.bits) << 16); }
FP8C_FN float to_float(f16 v) { return detail::F16::decode(v.bits); }
FP8C_FN float to_float(e4m3 v) { return detail::E4M3::decode(v.bits); }
FP8C_FN float to_float(e5m2 v) { return detail::E5M2::decode(v.bits); }

template <class T> FP8C_FN T from_float(float v);

template <> FP8C_FN float from_float<float>(float v) { return v; }

template <> FP8C_FN bf16 from_float<bf16>(float v) {
  const uint32_t bits = bits_of(v);
  const uint32_t rounded = bits + 0x7fffu + ((bits >> 16) & 1);
  const uint32_t quiet_nan = bits | 0x00400000u;
  return {uint16_t((v != v ? quiet_nan : rounded) >> 16)};
}

template <> FP8C_FN f16 from_float<f16>(float v) {
  return {uint16_t(detail::F16::encode(v))};
}
template <> FP8C_FN e4m3 from_float<e4m3>(float v) {
  return {uint8_t(detail::E4M3::encode(v))};
}
template <> FP8C_FN e5m2 from_float<e5m2>(float v) {
  return {uint8_t(detail::E5M2::encode(v))};
}

/// `v` with the precision of T.
template <class T> FP8C_FN float round_to(float v) {
  return to_float(from_float<T>(v));
}

/// The largest finite value of T.
template <class T> FP8C_FN constexpr float max_finite();
template <> FP8C_FN constexpr float max_finite<float>() {
  return 0x1.fffffep127f;
}
template <> FP8C_FN constexpr float max_finite<bf16>() { return 0x1.fep127f; }
template <> FP8C_FN constexpr float max_finite<f16>() { return 65504.0f; }
template <> FP8C_FN constexpr float max_finite<e4m3>() { return 448.0f; }
template <> FP8C_FN constexpr float max_finite<e5m2>() { return 57344.0f; }

//===----------------------------------------------------------------------===//
// load, store
//===----------------------------------------------------------------------===//

FP8C_FN float load(const float *p, int64_t i) { return p[i]; }
FP8C_FN float load(const bf16 *p, int64_t i) { return to_float(p[i]); }
FP8C_FN float load(const f16 *p, int64_t i) { return to_float(p[i]); }
FP8C_FN float load(const e4m3 *p, int64_t i) { return to_float(p[i]); }
FP8C_FN float load(const e5m2 *p, int64_t i) { return to_float(p[i]); }

/// Integers load as they are; a byte is a truth value.
FP8C_FN int64_t load(const int64_t *p, int64_t i) { return p[i]; }
FP8C_FN int32_t load(const int32_t *p, int64_t i) { return p[i]; }
FP8C_FN bool load(const uint8_t *p, int64_t i) { return p[i] != 0; }

template <class T> FP8C_FN void store(T *p, int64_t i, float v) {
  p[i] = from_float<T>(v);
}

/// Values that were converted already, such as the results of quantize().
FP8C_FN void store(float *p, int64_t i, float v) { p[i] = v; }
FP8C_FN void store(bf16 *p, int64_t i, bf16 v) { p[i] = v; }
FP8C_FN void store(f16 *p, int64_t i, f16 v) { p[i] = v; }
FP8C_FN void store(e4m3 *p, int64_t i, e4m3 v) { p[i] = v; }
FP8C_FN void store(e5m2 *p, int64_t i, e5m2 v) { p[i] = v; }
FP8C_FN void store(int64_t *p, int64_t i, int64_t v) { p[i] = v; }
FP8C_FN void store(int32_t *p, int64_t i, int32_t v) { p[i] = v; }
FP8C_FN void store(uint8_t *p, int64_t i, bool v) { p[i] = v; }

} // namespace fp8c

#endif // FP8C_KERNELS_COMMON_TYPES_H
