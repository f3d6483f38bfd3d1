//===- copy_loops.h - The loops of a copy between strided views -----------===//

#ifndef FP8C_KERNELS_COMMON_COPY_LOOPS_H
#define FP8C_KERNELS_COMMON_COPY_LOOPS_H

#include "kernels/common/types.h"

#include <cassert>
#include <type_traits>

namespace fp8c {
namespace detail {

/// One element, rounded if the types differ.
template <class T, class Out> FP8C_FN void move(Out *dst, const T *src) {
  if constexpr (std::is_same<T, Out>::value)
    *dst = *src;
  else
    store(dst, 0, load(src, 0));
}

/// What a buffer is filled with. Integers are with small ones only.
template <class T> FP8C_FN T filling(float value) {
  if constexpr (std::is_integral<T>::value)
    return T(value);
  else
    return from_float<T>(value);
}

/// A loop nest over two views. Adjacent dimensions that are contiguous in both
/// are one loop, and dimensions of size 1 are none.
struct CopyLoops {
  static constexpr int max_rank = 8;
  int rank = 0;
  int64_t size[max_rank], src[max_rank], dst[max_rank];

  CopyLoops(int n, const int64_t *shape, const int64_t *src_strides,
            const int64_t *dst_strides) {
    assert(n <= max_rank);
    for (int d = 0; d < n; ++d) {
      if (shape[d] == 1)
        continue;
      const int last = rank - 1;
      if (rank && src[last] == shape[d] * src_strides[d] &&
          dst[last] == shape[d] * dst_strides[d]) {
        size[last] *= shape[d];
        src[last] = src_strides[d];
        dst[last] = dst_strides[d];
        continue;
      }
      push(shape[d], src_strides[d], dst_strides[d]);
    }
    while (rank < 2) // the innermost two are always there
      prepend_unit();
  }

  /// Moves dimension d to place `rank - 2`, next to the innermost one.
  void make_second_innermost(int d) {
    const int64_t s = size[d], from = src[d], to = dst[d];
    for (; d < rank - 2; ++d) {
      size[d] = size[d + 1];
      src[d] = src[d + 1];
      dst[d] = dst[d + 1];
    }
    size[d] = s;
    src[d] = from;
    dst[d] = to;
  }

private:
  void push(int64_t s, int64_t from, int64_t to) {
    size[rank] = s;
    src[rank] = from;
    dst[rank] = to;
    ++rank;
  }
  void prepend_unit() {
    push(1, 0, 0);
    for (int d = rank - 1; d > 0; --d) {
      size[d] = size[d - 1];
      src[d] = src[d - 1];
      dst[d] = dst[d - 1];
    }
    size[0] = 1;
    src[0] = dst[0] = 0;
  }
};

} // namespace detail
} // namespace fp8c

#endif // FP8C_KERNELS_COMMON_COPY_LOOPS_H
