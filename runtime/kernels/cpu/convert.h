//===- convert.h - Whole matrices between formats -------------------------===//
//
// BLAS only knows float: operands in other formats are widened into dense
// scratch matrices, results narrowed out of them.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_CPU_CONVERT_H
#define FP8C_KERNELS_CPU_CONVERT_H

#include "kernels/common/types.h"
#include "kernels/cpu/parallel.h"

namespace fp8c {
namespace detail {

/// dst[i, j] = src[i, j], both row-major with their row strides.
template <class From, class To>
inline void convert_matrix(const From *src, int64_t src_stride, To *dst,
                           int64_t dst_stride, int64_t rows, int64_t cols) {
#pragma omp parallel for schedule(static) if (rows * cols >= parallel_threshold)
  for (int64_t i = 0; i < rows; ++i) {
    const From *from = src + i * src_stride;
    To *to = dst + i * dst_stride;
#pragma GCC ivdep
    for (int64_t j = 0; j < cols; ++j)
      store(to, j, load(from, j));
  }
}

} // namespace detail
} // namespace fp8c

#endif // FP8C_KERNELS_CPU_CONVERT_H
