//===- lanes.cuh - Packs of integers and truth values ---------------------===//
//
// What is in kernels/common/integers.h, comparisons and select, for packs of
// neighbours: each lane by itself. Operands may be numbers, which all lanes
// share.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_CUDA_LANES_CUH
#define FP8C_KERNELS_CUDA_LANES_CUH

#include "kernels/common/integers.h"
#include "kernels/cuda/pack.cuh"

namespace fp8c {
namespace detail {

/// Lanes of a pack; a number has none.
template <class T> struct LanesOf { static constexpr int value = 0; };
template <int N, class T> struct LanesOf<Pack<N, T>> {
  static constexpr int value = N;
};
/// Those of the packs among some types.
template <class... A> constexpr int lanes_of() {
  int most = 0;
  ((most = LanesOf<A>::value > most ? LanesOf<A>::value : most), ...);
  return most;
}

} // namespace detail

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

#define FP8C_BY_LANE(NAME)                                                     \
  template <class... A, int N = detail::lanes_of<A...>(),                      \
            class = std::enable_if_t<(N > 0)>>                                 \
  FP8C_INLINE auto NAME(const A &...a) {                                       \
    Pack<N, decltype(NAME(detail::lane(a, 0)...))> r;                          \
    _Pragma("unroll") for (int i = 0; i < N; ++i) r.v[i] =                     \
        NAME(detail::lane(a, i)...);                                           \
    return r;                                                                  \
  }
FP8C_BY_LANE(add)
FP8C_BY_LANE(subtract)
FP8C_BY_LANE(multiply)
FP8C_BY_LANE(divide)
FP8C_BY_LANE(smaller)
FP8C_BY_LANE(larger)
FP8C_BY_LANE(both)
FP8C_BY_LANE(either)
FP8C_BY_LANE(select)
#undef FP8C_BY_LANE

#define FP8C_COMPARISON(OPERATOR)                                              \
  template <class A, class B, int N = detail::lanes_of<A, B>(),                \
            class = std::enable_if_t<(N > 0)>>                                 \
  FP8C_INLINE Mask<N> operator OPERATOR(const A &a, const B &b) {              \
    Mask<N> r;                                                                 \
    _Pragma("unroll") for (int i = 0; i < N; ++i) r.v[i] =                     \
        detail::lane(a, i) OPERATOR detail::lane(b, i);                        \
    return r;                                                                  \
  }
FP8C_COMPARISON(==)
FP8C_COMPARISON(!=)
FP8C_COMPARISON(<)
FP8C_COMPARISON(<=)
FP8C_COMPARISON(>)
FP8C_COMPARISON(>=)
#undef FP8C_COMPARISON

template <class To, int N, class From>
FP8C_INLINE Pack<N, To> convert(const Pack<N, From> &x) {
  Pack<N, To> r;
#pragma unroll
  for (int i = 0; i < N; ++i)
    r.v[i] = convert<To>(x.v[i]);
  return r;
}

//===----------------------------------------------------------------------===//
// load, store
//===----------------------------------------------------------------------===//

namespace detail {

/// As load_codes() and store_codes(), for what is no float.
template <int N, class T> FP8C_INLINE Pack<N, T> load_lanes(const T *p) {
  using Word = Wide<int(N * sizeof(T) / sizeof(uint32_t))>;
  union {
    Word words[N * sizeof(T) / sizeof(Word)];
    Pack<N, T> pack;
  };
#pragma unroll
  for (int i = 0; i < int(N * sizeof(T) / sizeof(Word)); ++i)
    words[i] = __ldg(reinterpret_cast<const Word *>(p) + i);
  return pack;
}
template <int N, class T>
FP8C_INLINE void store_lanes(T *p, const Pack<N, T> &x) {
  using Word = Wide<int(N * sizeof(T) / sizeof(uint32_t))>;
  union {
    Word words[N * sizeof(T) / sizeof(Word)];
    Pack<N, T> pack;
  };
  pack = x;
#pragma unroll
  for (int i = 0; i < int(N * sizeof(T) / sizeof(Word)); ++i)
    store_word(reinterpret_cast<Word *>(p) + i, words[i]);
}

} // namespace detail

#define FP8C_INTEGER_ACCESS(T)                                                 \
  template <int N> FP8C_INLINE Pack<N, T> load(const T *p, Index<N> i) {       \
    return detail::load_lanes<N>(p + i.first);                                 \
  }                                                                            \
  template <int N>                                                             \
  FP8C_INLINE void store(T *p, Index<N> i, const Pack<N, T> &x) {              \
    detail::store_lanes(p + i.first, x);                                       \
  }
FP8C_INTEGER_ACCESS(int64_t)
FP8C_INTEGER_ACCESS(int32_t)
#undef FP8C_INTEGER_ACCESS

/// A truth value is a byte.
template <int N> FP8C_INLINE Mask<N> load(const uint8_t *p, Index<N> i) {
  return detail::load_lanes<N>(p + i.first) != uint8_t(0);
}
template <int N>
FP8C_INLINE void store(uint8_t *p, Index<N> i, const Mask<N> &x) {
  detail::store_lanes(p + i.first, convert<uint8_t>(x));
}

} // namespace fp8c

#endif // FP8C_KERNELS_CUDA_LANES_CUH
