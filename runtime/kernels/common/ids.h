//===- ids.h - Rows of a table and classes by number ----------------------===//

#ifndef FP8C_KERNELS_COMMON_IDS_H
#define FP8C_KERNELS_COMMON_IDS_H

#include "kernels/common/types.h"

namespace fp8c {

/// The row that an id names: below zero it counts from the end. Ids go from
/// -rows to rows - 1.
FP8C_FN int64_t row_of(int64_t id, int64_t rows) {
  return id < 0 ? id + rows : id;
}

namespace detail {

/// Is there a row with this id?
FP8C_FN bool names_row(int64_t id, int64_t rows) {
  return id >= -rows && id < rows;
}

/// The element of a row that an id names; NaN if there is none.
template <class T>
FP8C_FN float element_of(const T *row, int64_t id, int64_t width) {
  return names_row(id, width) ? load(row, row_of(id, width))
                              : from_bits(0x7fc00000u);
}

/// Does a row with this label have a loss?
FP8C_FN bool counts(int64_t label, int64_t ignore_index) {
  return label >= 0 && label != ignore_index;
}

} // namespace detail
} // namespace fp8c

#endif // FP8C_KERNELS_COMMON_IDS_H
