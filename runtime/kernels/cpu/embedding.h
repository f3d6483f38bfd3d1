//===- embedding.h - Rows of a table by number ----------------------------===//

#ifndef FP8C_KERNELS_CPU_EMBEDDING_H
#define FP8C_KERNELS_CPU_EMBEDDING_H

#include "kernels/common/ids.h"
#include "kernels/common/types.h"
#include "kernels/cpu/parallel.h"

#include <cassert>
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

/// dtable[ids[i]] += dy[i]; without `accumulate` dtable is cleared first.
/// Threads take columns and walk all ids in order, so repeated ids need no
/// atomic additions and always add up in the same order.
template <class T>
void embedding_backward(const int64_t *ids, const T *dy, float *dtable,
                        int64_t n, int64_t width, int64_t rows,
                        bool accumulate) {
  constexpr int64_t block = 64;
  if (!accumulate) {
#pragma omp parallel for schedule(static) if (rows * width >=                  \
                                              parallel_threshold)
    for (int64_t i = 0; i < rows * width; ++i)
      dtable[i] = 0.0f;
  }
#pragma omp parallel for schedule(static) if (n * width >= parallel_threshold)
  for (int64_t first = 0; first < width; first += block) {
    const int64_t cols = width - first < block ? width - first : block;
    for (int64_t i = 0; i < n; ++i) {
      assert(ids[i] >= -rows && ids[i] < rows && "id outside of the table");
      const T *from = dy + i * width + first;
      float *to = dtable + row_of(ids[i], rows) * width + first;
#pragma GCC ivdep
      for (int64_t j = 0; j < cols; ++j)
        to[j] += load(from, j);
    }
  }
}

/// As above for a narrow table: the rows that are named are added to in f32,
/// and rounded to the table's format once.
template <class T, class Table>
void embedding_backward(const int64_t *ids, const T *dy, Table *dtable,
                        int64_t n, int64_t width, int64_t rows,
                        bool accumulate) {
  if (!accumulate) {
#pragma omp parallel for schedule(static) if (rows * width >=                  \
                                              parallel_threshold)
    for (int64_t i = 0; i < rows * width; ++i)
      store(dtable, i, 0.0f);
  }
  std::vector<int64_t> places(rows, -1), named, place_of_id(n);
  for (int64_t i = 0; i < n; ++i) {
    assert(ids[i] >= -rows && ids[i] < rows && "id outside of the table");
    int64_t &place = places[row_of(ids[i], rows)];
    if (place < 0) {
      place = int64_t(named.size());
      named.push_back(row_of(ids[i], rows));
    }
    place_of_id[i] = place;
  }
  const int64_t count = int64_t(named.size());
  std::vector<float> sums(count * width);
  embedding(dtable, named.data(), sums.data(), count, width, rows);
  embedding_backward(place_of_id.data(), dy, sums.data(), n, width, count,
                     /*accumulate=*/true);
#pragma omp parallel for schedule(static) if (count * width >=                 \
                                              parallel_threshold)
  for (int64_t i = 0; i < count; ++i)
    for (int64_t j = 0; j < width; ++j)
      store(dtable, named[i] * width + j, sums[i * width + j]);
}

} // namespace fp8c

#endif // FP8C_KERNELS_CPU_EMBEDDING_H
