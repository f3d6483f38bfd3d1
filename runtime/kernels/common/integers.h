//===- integers.h - Integers and truth values -----------------------------===//
//
// What fused kernels do with elements that are no floats. Integers are exact
// modulo 2^bits: C++ leaves the overflow of signed numbers undefined, so sums
// and products are those of unsigned ones. None of them is ever a float on its
// way, which could not tell apart integers above 2^24.
//
// Functions have names of their own where a float of the same name exists: an
// integer must not become one because an overload is missing.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_COMMON_INTEGERS_H
#define FP8C_KERNELS_COMMON_INTEGERS_H

#include "kernels/common/target.h"

#include <type_traits>

namespace fp8c {
namespace detail {

template <class T>
using IfInteger = typename std::enable_if<std::is_integral<T>::value>::type;
template <class T> using Unsigned = typename std::make_unsigned<T>::type;

template <class T> FP8C_FN constexpr T largest_integer() {
  return T(~Unsigned<T>(0) >> 1);
}
template <class T> FP8C_FN constexpr T smallest_integer() {
  return T(-largest_integer<T>() - 1);
}

} // namespace detail

template <class T, class = detail::IfInteger<T>> FP8C_FN T add(T a, T b) {
  return T(detail::Unsigned<T>(a) + detail::Unsigned<T>(b));
}
template <class T, class = detail::IfInteger<T>> FP8C_FN T subtract(T a, T b) {
  return T(detail::Unsigned<T>(a) - detail::Unsigned<T>(b));
}
template <class T, class = detail::IfInteger<T>> FP8C_FN T multiply(T a, T b) {
  return T(detail::Unsigned<T>(a) * detail::Unsigned<T>(b));
}

/// Rounded towards zero; 0 where b is. The smallest integer divided by -1 is
/// itself, modulo 2^bits.
template <class T, class = detail::IfInteger<T>> FP8C_FN T divide(T a, T b) {
  const T quotient = a / (b == T(0) || b == T(-1) ? T(1) : b);
  const T defined = b == T(-1) ? subtract(T(0), a) : quotient;
  return b == T(0) ? T(0) : defined;
}

template <class T, class = detail::IfInteger<T>> FP8C_FN T smaller(T a, T b) {
  return b < a ? b : a;
}
template <class T, class = detail::IfInteger<T>> FP8C_FN T larger(T a, T b) {
  return b > a ? b : a;
}

/// && and ||, but both sides are computed: a branch would cost more.
FP8C_FN bool both(bool a, bool b) { return a & b; }
FP8C_FN bool either(bool a, bool b) { return a | b; }

template <class T, class = detail::IfInteger<T>>
FP8C_FN T select(bool c, T a, T b) {
  return c ? a : b;
}

/// Of floats the integer next towards zero; beyond the integers the last of
/// them, for NaN 0. Of integers modulo 2^bits, or the nearest float.
template <class To, class From> FP8C_FN To convert(From x) {
  if constexpr (std::is_same<From, float>::value) {
    constexpr To least = detail::smallest_integer<To>(),
                 most = detail::largest_integer<To>();
    constexpr float limit = -float(least); // a power of two: exact
    const bool inside = x >= -limit && x < limit;
    const To beyond = x >= limit ? most : x < -limit ? least : To(0);
    const To truncated = To(inside ? x : 0.0f);
    return inside ? truncated : beyond;
  } else {
    return To(x);
  }
}

} // namespace fp8c

#endif // FP8C_KERNELS_COMMON_INTEGERS_H
