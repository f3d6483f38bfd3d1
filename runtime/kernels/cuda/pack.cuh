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
#include <type_traits>

#define FP8C_INLINE __device__ __forceinline__

namespace fp8c {

/// The first of N consecutive positions.
template <int N> struct Index { int64_t first; };
template <int N> FP8C_INLINE Index<N> operator+(int64_t a, Index<N> b) {
  return {a + b.first};
}

/// N consecutive values: floats, or see lanes.cuh.
template <int N, class T = float> struct Pack { T v[N]; };
template <int N> using Mask = Pack<N, bool>;

/// N consecutive values of T, converted already. In words, since of bytes the
/// compiler would put every word together again, one by one.
template <class T, int N> struct alignas(N * sizeof(T)) Codes {
  static constexpr int per_word = sizeof(uint32_t) / sizeof(T);
  static_assert(N % per_word == 0, "whole words");
  uint32_t words[N / per_word];

  /// The i-th, and how to set it if it is zero so far.
  FP8C_INLINE T operator[](int i) const {
    T x;
    x.bits = decltype(x.bits)(words[i / per_word] >> shift(i));
    return x;
  }
  FP8C_INLINE void set(int i, T x) {
    words[i / per_word] |= uint32_t(x.bits) << shift(i);
  }

private:
  static FP8C_INLINE int shift(int i) { return i % per_word * sizeof(T) * 8; }
};

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
template <int N, class T> FP8C_INLINE T lane(const Pack<N, T> &x, int i) {
  return x.v[i];
}
template <class T> FP8C_INLINE T lane(T x, int) { return x; }
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
FP8C_UNARY(sin, sin(x))
FP8C_UNARY(cos, cos(x))
FP8C_UNARY(floor, floor(x))
FP8C_UNARY(ceil, ceil(x))
FP8C_UNARY(round_to_even, round_to_even(x))
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

//===----------------------------------------------------------------------===//
// Conversions, by the hardware: the same codes as from_float's
//===----------------------------------------------------------------------===//

namespace detail {

/// As many T as a word has, as floats at v.
template <class T> struct WordOf;
template <> struct WordOf<float> {
  static FP8C_INLINE uint32_t encode(const float *v) { return bits_of(*v); }
  static FP8C_INLINE void decode(uint32_t word, float *v) {
    *v = from_bits(word);
  }
};
template <> struct WordOf<bf16> {
  static FP8C_INLINE uint32_t encode(const float *v) {
    const __nv_bfloat162 p = __floats2bfloat162_rn(v[0], v[1]);
    return reinterpret_cast<const uint32_t &>(p);
  }
  static FP8C_INLINE void decode(uint32_t word, float *v) {
    v[0] = from_bits(word << 16);
    v[1] = from_bits(word & 0xffff0000u);
  }
};
template <> struct WordOf<f16> {
  static FP8C_INLINE uint32_t encode(const float *v) {
    const __half2 p = __floats2half2_rn(v[0], v[1]);
    return reinterpret_cast<const uint32_t &>(p);
  }
  static FP8C_INLINE void decode(uint32_t word, float *v) {
    const float2 p = __half22float2(reinterpret_cast<const __half2 &>(word));
    v[0] = p.x;
    v[1] = p.y;
  }
};
#define FP8C_WORD_OF_FP8(T, NAME)                                              \
  template <> struct WordOf<T> {                                               \
    static FP8C_INLINE uint32_t encode(const float *v) {                       \
      uint32_t word;                                                           \
      asm("{ .reg .b16 low, high;\n"                                           \
          "cvt.rn.satfinite." NAME "x2.f32 low, %2, %1;\n"                     \
          "cvt.rn.satfinite." NAME "x2.f32 high, %4, %3;\n"                    \
          "mov.b32 %0, {low, high}; }"                                         \
          : "=r"(word)                                                         \
          : "f"(v[0]), "f"(v[1]), "f"(v[2]), "f"(v[3]));                       \
      return word;                                                             \
    }                                                                          \
    static FP8C_INLINE void decode(uint32_t word, float *v) {                  \
      uint32_t low, high;                                                      \
      asm("{ .reg .b16 low, high;\n"                                           \
          "mov.b32 {low, high}, %2;\n"                                         \
          "cvt.rn.f16x2." NAME "x2 %0, low;\n"                                 \
          "cvt.rn.f16x2." NAME "x2 %1, high; }"                                \
          : "=r"(low), "=r"(high)                                              \
          : "r"(word));                                                        \
      WordOf<f16>::decode(low, v);                                             \
      WordOf<f16>::decode(high, v + 2);                                        \
    }                                                                          \
  }
FP8C_WORD_OF_FP8(e4m3, "e4m3");
FP8C_WORD_OF_FP8(e5m2, "e5m2");
#undef FP8C_WORD_OF_FP8

} // namespace detail

template <class T, int N> FP8C_INLINE Codes<T, N> encode(const Pack<N> &x) {
  Codes<T, N> codes;
#pragma unroll
  for (int i = 0; i < N / codes.per_word; ++i)
    codes.words[i] = detail::WordOf<T>::encode(x.v + i * codes.per_word);
  return codes;
}

template <class T, int N> FP8C_INLINE Codes<T, N> from_float(const Pack<N> &x) {
  return encode<T>(x);
}

template <class T, int N> FP8C_INLINE Pack<N> decode(const Codes<T, N> &codes) {
  Pack<N> x;
#pragma unroll
  for (int i = 0; i < N / codes.per_word; ++i)
    detail::WordOf<T>::decode(codes.words[i], x.v + i * codes.per_word);
  return x;
}

template <class T, int N> FP8C_INLINE Pack<N> round_to(const Pack<N> &x) {
  return decode(encode<T>(x));
}

//===----------------------------------------------------------------------===//
// load, store
//===----------------------------------------------------------------------===//

namespace detail {

/// The widest type that `Words` words can be moved as.
template <int Words>
using Wide =
    std::conditional_t<Words % 4 == 0, uint4,
                       std::conditional_t<Words % 2 == 0, uint2, uint32_t>>;

/// Through the read-only path: a kernel never reads what it wrote, so a value
/// that several loops over a row load may stay in a register.
template <class T, int N> FP8C_INLINE Codes<T, N> load_codes(const T *p) {
  Codes<T, N> x;
  using Word = Wide<sizeof(x) / sizeof(uint32_t)>;
#pragma unroll
  for (int i = 0; i < int(sizeof(x) / sizeof(Word)); ++i)
    reinterpret_cast<Word *>(x.words)[i] =
        __ldg(reinterpret_cast<const Word *>(p) + i);
  return x;
}

/// To global memory, in one instruction: where two branches lead to a store the
/// compiler would write each register on its own.
FP8C_INLINE void store_word(uint4 *p, uint4 x) {
  asm volatile("st.global.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(p), "r"(x.x),
               "r"(x.y), "r"(x.z), "r"(x.w)
               : "memory");
}
FP8C_INLINE void store_word(uint2 *p, uint2 x) {
  asm volatile("st.global.v2.u32 [%0], {%1, %2};" ::"l"(p), "r"(x.x), "r"(x.y)
               : "memory");
}
FP8C_INLINE void store_word(uint32_t *p, uint32_t x) { *p = x; }

template <class T, int N>
FP8C_INLINE void store_codes(T *p, const Codes<T, N> &x) {
  using Word = Wide<sizeof(x) / sizeof(uint32_t)>;
#pragma unroll
  for (int i = 0; i < int(sizeof(x) / sizeof(Word)); ++i)
    store_word(reinterpret_cast<Word *>(p) + i,
               reinterpret_cast<const Word *>(x.words)[i]);
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

/// NaN if any of x is.
template <int N> FP8C_INLINE float largest_magnitude(const Pack<N> &x) {
  float m = fabsf(x.v[0]);
#pragma unroll
  for (int i = 1; i < N; ++i)
    asm("max.NaN.f32 %0, %0, %1;" : "+f"(m) : "f"(fabsf(x.v[i])));
  return m;
}

/// Counts x into `amax` if, scaled, all of it is within the finite `limit`;
/// else does nothing.
template <int N>
FP8C_INLINE bool count_within(Amax &amax, const Pack<N> &x, float scale,
                              float limit) {
  const float m = largest_magnitude(x);
  if (!(m * scale <= limit)) // nor is NaN
    return false;
  amax.amax_bits = ::max(amax.amax_bits, bits_of(m));
  return true;
}

} // namespace detail

/// Adds a pack. What is rare, infinities and NaN, is looked at one by one only
/// when it is there.
template <int N> FP8C_INLINE void count(Amax &amax, const Pack<N> &x) {
  if (detail::count_within(amax, x, 1.0f, max_finite<float>()))
    return;
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
  Codes<T, N> r = {};
#pragma unroll
  for (int i = 0; i < N; ++i)
    r.set(i, quantize<T>(x.v[i], scale, amax));
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
  Codes<T, N> r = {};
#pragma unroll
  for (int i = 0; i < N; ++i)
    r.set(i, quantize<T>(x.v[i], scale, amax, random.v[i]));
  return r;
}

template <class T, int N> FP8C_INLINE Pack<N> to_float(const Codes<T, N> &x) {
  return decode(x);
}

} // namespace fp8c

#endif // FP8C_KERNELS_CUDA_PACK_CUH
