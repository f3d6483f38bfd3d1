//===- class_row.h - A row of logits, and what pads it --------------------===//

#ifndef FP8C_KERNELS_COMMON_CLASS_ROW_H
#define FP8C_KERNELS_COMMON_CLASS_ROW_H

#include "kernels/common/target.h"

namespace fp8c {

/// Rows of `classes` logits, `stride` elements from one to the next: what lies
/// between is no class, has no part in softmax and gets a gradient of 0.
struct PaddedClasses {
  int64_t classes, stride;
  static constexpr bool padded = true;
  FP8C_FN int64_t width() const { return stride; }
};

namespace detail {

/// Rows that follow each other directly.
struct DenseClasses {
  int64_t classes;
  static constexpr bool padded = false;
  FP8C_FN int64_t width() const { return classes; }
};

FP8C_FN DenseClasses class_row(int64_t classes) { return {classes}; }
FP8C_FN PaddedClasses class_row(PaddedClasses row) { return row; }

} // namespace detail
} // namespace fp8c

#endif // FP8C_KERNELS_COMMON_CLASS_ROW_H
