//===- ids.h - Rows of a table and classes by number ----------------------===//

#ifndef FP8C_KERNELS_COMMON_IDS_H
#define FP8C_KERNELS_COMMON_IDS_H

#include "kernels/common/target.h"

namespace fp8c {

/// The row that an id names: below zero it counts from the end. Ids go from
/// -rows to rows - 1.
FP8C_FN int64_t row_of(int64_t id, int64_t rows) {
  return id < 0 ? id + rows : id;
}

namespace detail {

/// Does a row with this label have a loss?
FP8C_FN bool counts(int64_t label, int64_t ignore_index) {
  return label >= 0 && label != ignore_index;
}

} // namespace detail
} // namespace fp8c

#endif // FP8C_KERNELS_COMMON_IDS_H
