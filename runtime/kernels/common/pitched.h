//===- pitched.h - Rows that do not follow each other ---------------------===//
//
// A matrix of which `Parts` rows lie side by side, and the next ones `Pitch`
// elements behind their start: a part of each row of a wider matrix, cut into
// `Parts`. Kernels know both when they are compiled, so that the place of a row
// costs nothing.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_COMMON_PITCHED_H
#define FP8C_KERNELS_COMMON_PITCHED_H

#include "kernels/common/target.h"

#include <cstdint>

namespace fp8c {

template <int64_t Parts, int64_t Pitch> struct Pitched {
  /// Where a row of `cols` elements starts.
  static FP8C_FN int64_t start(int64_t row, int64_t cols) {
    return row / Parts * Pitch + row % Parts * cols;
  }

  /// A pointer to such a matrix, and one to a row of it.
  template <class T> struct Pointer {
    const T *first;
    FP8C_FN const T *row(int64_t index, int64_t cols) const {
      return first + start(index, cols);
    }
  };
  template <class T> static FP8C_FN Pointer<T> pointer(const T *p) {
    return {p};
  }
};

} // namespace fp8c

#endif // FP8C_KERNELS_COMMON_PITCHED_H
