//===- pack.cuh - Neighbouring elements of one thread ---------------------===//
//
// The body of a fused kernel is written for one element; on a GPU a thread
// runs it for N neighbours at once, so that every access is 8 or 16 bytes wide.
// The index that a skeleton passes to the body is then an Index<N>, and what it
// loads a Pack<N>: arithmetic on packs is element by element.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_CUDA_PACK_CUH
#define FP8C_KERNELS_CUDA_PACK_CUH

#include "kernels/common/math.h"
#include "kernels/common/stats.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

#define FP8C_INLINE __device__ __forceinline__

namespace fp8c {

/// The first of N consecutive positions.
template <int N> struct Index { int64_t first; };
template <int N> FP8C_INLINE Index<N> operator+(int64_t a, Index<N> b) {
  return {a + b.first};
}

/// N consecutive values.
template <int N> struct Pack { float v[N]; };
template <int N> struct Mask { bool v[N]; };

/// N consecutive values of T, converted already.
template <class T, int N> struct alignas(N * sizeof(T)) Codes { T v[N]; };

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

namespace detail {
template <int N, class F> FP8C_INLINE Pack<N> each_lane(const F &f) {
  Pack<N> r;
#pragma unroll
  for (int i = 0; i < N; ++i)
    r.v[i] = f(i);
  return r;
}
template <int N> FP8C_INLINE float lane(const Pack<N> &x, int i) {
  return x.v[i];
}
FP8C_INLINE float lane(float x, int) { return x; }
} // namespace detail

#define FP8C_BINARY(NAME, EXPRESSION)                                          \
  template <int N> FP8C_INLINE Pack<N> NAME(Pack<N> a, Pack<N> b) {            \
    return detail::each_lane<N>([&](int i) {                                   \
      const float x = a.v[i], y = b.v[i];                                      \
      return EXPRESSION;                                                       \
    });                                                                        \
  }                                                                            \
  template <int N> FP8C_INLINE Pack<N> NAME(Pack<N> a, float y) {              \
    return detail::each_lane<N>([&](int i) {                                   \
      const float x = a.v[i];                                                  \
      return EXPRESSION;                                                       \
    });                                                                        \
  }                                                                            \
  template <int N> FP8C_INLINE Pack<N> NAME(float x, Pack<N> b) {              \
    return detail::each_lane<N>([&](int i) {                                   \
      const float y = b.v[i];                                                  \
      return EXPRESSION;                                                       \
    });                                                                        \
  }
FP8C_BINARY(operator+, x + y)
FP8C_BINARY(operator-, x - y)
FP8C_BINARY(operator*, x *y)
FP8C_BINARY(operator/, x / y)
FP8C_BINARY(max, max(x, y))
FP8C_BINARY(min, min(x, y))
FP8C_BINARY(pow, pow(x, y))
#undef FP8C_BINARY

#define FP8C_UNARY(NAME, EXPRESSION)                                           \
  template <int N> FP8C_INLINE Pack<N> NAME(Pack<N> a) {                       \
    return detail::each_lane<N>([&](int i) {                                   \
      const float x = a.v[i];                                                  \
      return EXPRESSION;                                                       \
    });                                                                        \
  }
FP8C_UNARY(operator-, -x)
FP8C_UNARY(abs, abs(x))
FP8C_UNARY(exp, exp(x))
FP8C_UNARY(log, log(x))
FP8C_UNARY(rsqrt, rsqrt(x))
FP8C_UNARY(reciprocal, reciprocal(x))
FP8C_UNARY(tanh, tanh(x))
FP8C_UNARY(sigmoid, sigmoid(x))
FP8C_UNARY(erf, erf(x))
#undef FP8C_UNARY

namespace detail {

/// The root of x from 2^-101 up, correctly rounded: an approximation and one
/// step of Newton's method, as the compiler makes it for one number.
FP8C_INLINE float sqrt_of_normal(float x) {
  float inverse;
  asm("rsqrt.approx.ftz.f32 %0, %1;" : "=f"(inverse) : "f"(x));
  const float root = __fmul_rn(x, inverse);
  const float error = __fmaf_rn(-root, root, x);
  return __fmaf_rn(error, __fmul_rn(inverse, 0.5f), root);
}

} // namespace detail

/// One branch for all: what is too small, negative or not finite is rare.
template <int N> FP8C_INLINE Pack<N> sqrt(const Pack<N> &x) {
  constexpr uint32_t least = uint32_t(127 - 101) << 23;
  uint32_t above = 0;
#pragma unroll
  for (int i = 0; i < N; ++i)
    above = ::max(above, bits_of(x.v[i]) - least);
  if (above <= detail::largest_finite_bits - least)
    return detail::each_lane<N>(
        [&](int i) { return detail::sqrt_of_normal(x.v[i]); });
  return detail::each_lane<N>([&](int i) { return sqrt(x.v[i]); });
}

template <int N, class B> FP8C_INLINE Mask<N> operator>(Pack<N> a, B b) {
  Mask<N> r;
#pragma unroll
  for (int i = 0; i < N; ++i)
    r.v[i] = a.v[i] > detail::lane(b, i);
  return r;
}
template <int N> FP8C_INLINE Mask<N> operator>(float a, Pack<N> b) {
  Mask<N> r;
#pragma unroll
  for (int i = 0; i < N; ++i)
    r.v[i] = a > b.v[i];
  return r;
}
template <int N, class A, class B>
FP8C_INLINE Pack<N> select(Mask<N> c, A a, B b) {
  return detail::each_lane<N>(
      [&](int i) { return c.v[i] ? detail::lane(a, i) : detail::lane(b, i); });
}
template <int N>
FP8C_INLINE Pack<N> select(bool c, const Pack<N> &a, const Pack<N> &b) {
  return c ? a : b;
}
template <int N> FP8C_INLINE Pack<N> select(bool c, float a, Pack<N> b) {
  return detail::each_lane<N>([&](int i) { return c ? a : b.v[i]; });
}
template <int N> FP8C_INLINE Pack<N> select(bool c, Pack<N> a, float b) {
  return detail::each_lane<N>([&](int i) { return c ? a.v[i] : b; });
}

//===----------------------------------------------------------------------===//
// Conversions, by the hardware: the same codes as from_float's
//===----------------------------------------------------------------------===//

namespace detail {

template <class T> struct PairOf; // two T in a register
template <> struct PairOf<float> {
  static FP8C_INLINE float2 encode(float a, float b) { return {a, b}; }
  static FP8C_INLINE float2 decode(float2 p) { return p; }
};
template <> struct PairOf<bf16> {
  static FP8C_INLINE uint32_t encode(float a, float b) {
    const __nv_bfloat162 p = __floats2bfloat162_rn(a, b);
    return reinterpret_cast<const uint32_t &>(p);
  }
  static FP8C_INLINE float2 decode(uint32_t p) {
    return {__uint_as_float(p << 16), __uint_as_float(p & 0xffff0000u)};
  }
};
template <> struct PairOf<f16> {
  static FP8C_INLINE uint32_t encode(float a, float b) {
    const __half2 p = __floats2half2_rn(a, b);
    return reinterpret_cast<const uint32_t &>(p);
  }
  static FP8C_INLINE float2 decode(uint32_t p) {
    return __half22float2(reinterpret_cast<const __half2 &>(p));
  }
};
template <__nv_fp8_interpretation_t Kind> struct FP8Pair {
  static FP8C_INLINE uint16_t encode(float a, float b) {
    return __nv_cvt_float2_to_fp8x2({a, b}, __NV_SATFINITE, Kind);
  }
  static FP8C_INLINE float2 decode(uint16_t p) {
    return __half22float2(__half2(__nv_cvt_fp8x2_to_halfraw2(p, Kind)));
  }
};
template <> struct PairOf<e4m3> : FP8Pair<__NV_E4M3> {};
template <> struct PairOf<e5m2> : FP8Pair<__NV_E5M2> {};

} // namespace detail

template <class T, int N> FP8C_INLINE Codes<T, N> encode(const Pack<N> &x) {
  using Pair = decltype(detail::PairOf<T>::encode(0.0f, 0.0f));
  union {
    Codes<T, N> codes;
    Pair pairs[N / 2];
  } r;
#pragma unroll
  for (int i = 0; i < N / 2; ++i)
    r.pairs[i] = detail::PairOf<T>::encode(x.v[2 * i], x.v[2 * i + 1]);
  return r.codes;
}

template <class T, int N> FP8C_INLINE Codes<T, N> from_float(const Pack<N> &x) {
  return encode<T>(x);
}

template <class T, int N> FP8C_INLINE Pack<N> decode(const Codes<T, N> &x) {
  using Pair = decltype(detail::PairOf<T>::encode(0.0f, 0.0f));
  union {
    Codes<T, N> codes;
    Pair pairs[N / 2];
  } r;
  r.codes = x;
  Pack<N> p;
#pragma unroll
  for (int i = 0; i < N / 2; ++i) {
    const float2 two = detail::PairOf<T>::decode(r.pairs[i]);
    p.v[2 * i] = two.x;
    p.v[2 * i + 1] = two.y;
  }
  return p;
}

template <class T, int N> FP8C_INLINE Pack<N> round_to(const Pack<N> &x) {
  return decode(encode<T>(x));
}

//===----------------------------------------------------------------------===//
// load, store
//===----------------------------------------------------------------------===//

namespace detail {

/// The widest register that divides `Bytes`.
template <int Bytes> struct WordOf { using type = uint4; };
template <> struct WordOf<8> { using type = uint2; };
template <> struct WordOf<4> { using type = uint32_t; };
template <> struct WordOf<2> { using type = uint16_t; };

/// Through the read-only path: a kernel never reads what it wrote, so a value
/// that several loops over a row load may stay in a register.
template <class T, int N> FP8C_INLINE Codes<T, N> load_codes(const T *p) {
  using Word = typename WordOf<N * sizeof(T)>::type;
  constexpr int words = N * sizeof(T) / sizeof(Word);
  union {
    Codes<T, N> codes;
    Word words[words];
  } r;
#pragma unroll
  for (int i = 0; i < words; ++i)
    r.words[i] = __ldg(reinterpret_cast<const Word *>(p) + i);
  return r.codes;
}

template <class T, int N>
FP8C_INLINE void store_codes(T *p, const Codes<T, N> &x) {
  using Word = typename WordOf<N * sizeof(T)>::type;
  constexpr int words = N * sizeof(T) / sizeof(Word);
  union {
    Codes<T, N> codes;
    Word words[words];
  } r;
  r.codes = x;
#pragma unroll
  for (int i = 0; i < words; ++i)
    reinterpret_cast<Word *>(p)[i] = r.words[i];
}

} // namespace detail

template <class T, int N> FP8C_INLINE Pack<N> load(const T *p, Index<N> i) {
  return decode(detail::load_codes<T, N>(p + i.first));
}
template <class T, int N>
FP8C_INLINE void store(T *p, Index<N> i, const Pack<N> &x) {
  detail::store_codes(p + i.first, encode<T>(x));
}
template <class T, int N>
FP8C_INLINE void store(T *p, Index<N> i, const Codes<T, N> &x) {
  detail::store_codes(p + i.first, x);
}
template <class T, int N> FP8C_INLINE void store(T *p, Index<N> i, float x) {
  store(p, i, detail::each_lane<N>([&](int) { return x; }));
}

//===----------------------------------------------------------------------===//
// Statistics
//===----------------------------------------------------------------------===//

namespace detail {

template <int N> FP8C_INLINE uint32_t largest_magnitude(const Pack<N> &x) {
  uint32_t m = 0;
#pragma unroll
  for (int i = 0; i < N; ++i)
    m = ::max(m, magnitude_bits(x.v[i]));
  return m;
}

/// Counts x into `amax` if, scaled, all of it is within `limit`; else does
/// nothing. NaN compares false: the bits, which it has most of, decide.
template <int N>
FP8C_INLINE bool count_within(Amax &amax, const Pack<N> &x, float scale,
                              float limit) {
  const uint32_t m = largest_magnitude(x);
  if (m > largest_finite_bits || !(from_bits(m) * scale <= limit))
    return false;
  amax.amax_bits = ::max(amax.amax_bits, m);
  return true;
}

} // namespace detail

/// Adds a pack. What is rare, infinities and NaN, is looked at one by one only
/// when it is there.
template <int N> FP8C_INLINE void count(Amax &amax, const Pack<N> &x) {
  const uint32_t m = detail::largest_magnitude(x);
  if (m <= detail::largest_finite_bits) {
    amax.amax_bits = ::max(amax.amax_bits, m);
    return;
  }
#pragma unroll
  for (int i = 0; i < N; ++i)
    amax.add(x.v[i]);
}

/// x * scale in format T, saturating, with x counted into `amax`.
template <class T, int N>
FP8C_INLINE Codes<T, N> quantize(const Pack<N> &x, float scale, Amax &amax) {
  constexpr float limit = max_finite<T>();
  if (detail::count_within(amax, x, scale, limit))
    return encode<T>(x * scale);
  Codes<T, N> r;
#pragma unroll
  for (int i = 0; i < N; ++i)
    r.v[i] = quantize<T>(x.v[i], scale, amax);
  return r;
}

/// x limited to magnitudes up to `limit`; `amax` counts those beyond it.
template <int N>
FP8C_INLINE Pack<N> clamp(const Pack<N> &x, float limit, Amax &amax) {
  if (detail::count_within(amax, x, 1.0f, limit))
    return x;
  return detail::each_lane<N>(
      [&](int i) { return clamp(x.v[i], limit, amax); });
}

/// Rounding bits of N consecutive elements, the first of which is even.
template <int N> struct RandomBits { uint32_t v[N]; };
template <int N>
FP8C_INLINE RandomBits<N> rounding_bits(uint32_t key, Index<N> index,
                                        uint32_t stream) {
  static_assert(N % 2 == 0, "neighbours share a hash");
  RandomBits<N> r;
#pragma unroll
  for (int i = 0; i < N; i += 2) {
    const uint32_t both = random_bits(key, (index.first >> 1) + i / 2, stream);
    r.v[i] = both;
    r.v[i + 1] = both << 16;
  }
  return r;
}

/// As quantize(x, scale, amax), rounded stochastically.
template <class T, int N>
FP8C_INLINE Codes<T, N> quantize(const Pack<N> &x, float scale, Amax &amax,
                                 const RandomBits<N> &random) {
  constexpr float limit = max_finite<T>();
  if (detail::count_within(amax, x, scale, limit))
    return encode<T>(detail::each_lane<N>([&](int i) {
      return detail::stochastic_neighbour<T>(x.v[i] * scale, random.v[i]);
    }));
  Codes<T, N> r;
#pragma unroll
  for (int i = 0; i < N; ++i)
    r.v[i] = quantize<T>(x.v[i], scale, amax, random.v[i]);
  return r;
}

template <class T, int N> FP8C_INLINE Pack<N> to_float(const Codes<T, N> &x) {
  return decode(x);
}

} // namespace fp8c

#endif // FP8C_KERNELS_CUDA_PACK_CUH
