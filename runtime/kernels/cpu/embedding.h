//===- embedding.h - Rows of a table by number ----------------------------===//

#ifndef FP8C_KERNELS_CPU_EMBEDDING_H
#define FP8C_KERNELS_CPU_EMBEDDING_H

#include "kernels/common/ids.h"
#include "kernels/common/types.h"
#include "kernels/cpu/parallel.h"

#include <algorithm>
#include <cassert>
#include <numeric>
#include <vector>

namespace fp8c {

/// out[i] = table[ids[i]] for n rows of `width` from a table of `rows`.
template <class T, class Out>
void embedding(const T *table, const int64_t *ids, Out *out, int64_t n,
               int64_t width, int64_t rows) {
#pragma omp parallel for schedule(static) if (n * width >= parallel_threshold)
  for (int64_t i = 0; i < n; ++i) {
    const T *from = table + row_of(ids[i], rows) * width;
    Out *to = out + i * width;
#pragma GCC ivdep
    for (int64_t j = 0; j < width; ++j)
      store(to, j, load(from, j));
  }
}

namespace detail {

/// Positions of ids by the row they name; equal ids keep their order.
inline std::vector<int64_t> sort_positions(const int64_t *ids, int64_t n,
                                           int64_t rows) {
  std::vector<int64_t> positions(n);
  std::iota(positions.begin(), positions.end(), 0);
  std::stable_sort(positions.begin(), positions.end(),
                   [&](int64_t a, int64_t b) {
                     return row_of(ids[a], rows) < row_of(ids[b], rows);
                   });
  return positions;
}

} // namespace detail

/// dtable[ids[i]] += dy[i]; without `accumulate` dtable is cleared first. Equal
/// ids add up in the order of their positions, in f32, and are rounded to the
/// table's format once. Threads take columns, so that nobody adds atomically.
template <class T, class Table>
void embedding_backward(const int64_t *ids, const T *dy, Table *dtable,
                        int64_t n, int64_t width, int64_t rows,
                        bool accumulate) {
  constexpr int64_t block = 64;
  if (!accumulate) {
#pragma omp parallel for schedule(static) if (rows * width >=                  \
                                              parallel_threshold)
    for (int64_t i = 0; i < rows * width; ++i)
      store(dtable, i, 0.0f);
  }
  const std::vector<int64_t> positions = detail::sort_positions(ids, n, rows);
#pragma omp parallel for schedule(static) if (n * width >= parallel_threshold)
  for (int64_t first = 0; first < width; first += block) {
    const int64_t cols = width - first < block ? width - first : block;
    for (int64_t i = 0; i < n;) {
      const int64_t row = row_of(ids[positions[i]], rows);
      assert(row >= 0 && row < rows && "id outside of the table");
      Table *to = dtable + row * width + first;
      float sums[block];
      for (int64_t j = 0; j < cols; ++j)
        sums[j] = load(to, j);
      for (; i < n && row_of(ids[positions[i]], rows) == row; ++i) {
        const T *from = dy + positions[i] * width + first;
#pragma GCC ivdep
        for (int64_t j = 0; j < cols; ++j)
          sums[j] += load(from, j);
      }
      for (int64_t j = 0; j < cols; ++j)
        store(to, j, sums[j]);
    }
  }
}

} // namespace fp8c

#endif // FP8C_KERNELS_CPU_EMBEDDING_H
