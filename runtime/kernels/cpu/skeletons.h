//===- skeletons.h - Loops that run fused kernels -------------------------===//
//
// A fused kernel is a functor: the scalar body of the fusion, printed by the
// compiler, the same text for CPU and CUDA. A skeleton here supplies the loops,
// the threads and the reductions around it:
//
//   map(k, n)               element-wise over n elements
//   rows(k, rows, cols)     per row: element-wise steps and reductions
//   rows_summed<R>(k, ...)  the same, and sums over every R rows
//   columns(k, rows, cols)  reductions over rows, for blocks of columns
//   sum(k, n, out)          one number from n elements
//
// Work is cut by shape only, never by the number of threads, so results do
// not depend on it. Elements of one loop are independent of each other: each()
// promises that to the vectoriser, and in-place updates keep the promise.
//
// Functors are passed to their loop by value: stores through unsigned char
// (FP8 data) may alias anything whose address is known, and a functor that
// does not escape has its pointers in registers.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_CPU_SKELETONS_H
#define FP8C_KERNELS_CPU_SKELETONS_H

#include "kernels/common/pitched.h"
#include "kernels/common/stats.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/reduce.h"

namespace fp8c {

namespace detail {

/// Adds the statistics of one row or chunk to those of the tensor. Most rows
/// change nothing there, and then no atomic write is needed.
inline void commit(const Amax &local, Stats *stats) {
  uint32_t seen = __atomic_load_n(&stats->amax_bits, __ATOMIC_RELAXED);
  while (seen < local.amax_bits &&
         !__atomic_compare_exchange_n(&stats->amax_bits, &seen, local.amax_bits,
                                      true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
    ;
  if (local.saturated)
    __atomic_fetch_add(&stats->saturated, local.saturated, __ATOMIC_RELAXED);
  if (local.nonfinite)
    __atomic_fetch_add(&stats->nonfinite, local.nonfinite, __ATOMIC_RELAXED);
}

/// The whole body of a kernel in one function, so that it vectorises.
template <class K, class Unit>
__attribute__((flatten)) inline void run(const K k, Unit unit) {
  k(unit);
}

} // namespace detail

/// Statistics start from nothing.
inline void clear(Stats *stats) { *stats = Stats{}; }

//===----------------------------------------------------------------------===//
// map
//===----------------------------------------------------------------------===//

/// Consecutive elements of a flat tensor.
struct Chunk {
  static constexpr int64_t max_size = 1 << 13;
  int64_t first, size;

  FP8C_FN int64_t at(int64_t i) const { return first + i; }

  template <class F> FP8C_FN void each(const F &f) const {
#pragma GCC ivdep
    for (int64_t i = 0; i < size; ++i)
      f(i);
  }

  FP8C_FN void commit(const Amax &amax, Stats *stats) const {
    detail::commit(amax, stats);
  }
};

template <class K> void map(const K &k, int64_t n) {
#pragma omp parallel for schedule(static) if (n >= parallel_threshold)
  for (int64_t first = 0; first < n; first += Chunk::max_size) {
    const int64_t left = n - first;
    detail::run(k,
                Chunk{first, left < Chunk::max_size ? left : Chunk::max_size});
  }
}

/// map(k[t], n[t]) for each of `count` tensors.
template <class K> void map_multi(const K *k, const int64_t *n, int64_t count) {
  for (int64_t t = 0; t < count; ++t)
    map(k[t], n[t]);
}

//===----------------------------------------------------------------------===//
// rows
//===----------------------------------------------------------------------===//

/// One row of a row-major matrix.
struct Row {
  int64_t index, rows, cols; ///< of the matrix: `rows` x `cols`

  FP8C_FN int64_t at(int64_t j) const { return index * cols + j; }
  template <class Pitched> FP8C_FN int64_t at(int64_t j, Pitched) const {
    return Pitched::start(index, cols) + j;
  }

  template <class F> FP8C_FN void each(const F &f) const {
#pragma GCC ivdep
    for (int64_t j = 0; j < cols; ++j)
      f(j);
  }

  template <class F> FP8C_FN float sum(const F &f) const {
    return detail::reduce_sum(0, cols, f);
  }

  template <class F> FP8C_FN float max(const F &f) const {
    return detail::reduce_max(0, cols, f);
  }

  /// Stores the row's element j as element [j, index] of the transposed matrix,
  /// one for each `copy`.
  template <class T>
  FP8C_FN void store_transposed(T *p, int64_t j, T v, int /*copy*/ = 0) const {
    store(p, j * rows + index, v);
  }

  FP8C_FN void commit(const Amax &amax, Stats *stats) const {
    detail::commit(amax, stats);
  }
};

template <class K> void rows(const K &k, int64_t rows, int64_t cols) {
#pragma omp parallel for schedule(static) if (rows * cols >= parallel_threshold)
  for (int64_t i = 0; i < rows; ++i)
    detail::run(k, Row{i, rows, cols});
}

/// rows(k[t], m[t], n[t]) for each of `count` matrices.
template <class K>
void rows_multi(const K *k, const int64_t *m, const int64_t *n, int64_t count) {
  for (int64_t t = 0; t < count; ++t)
    rows(k[t], m[t], n[t]);
}

/// A row of a kernel that sums over blocks of rows by the way.
template <int BlockRows> struct SummedRow : Row {
  /// Adds v to the sum, over the rows of this block, of element j. A block's
  /// rows come in order.
  template <int I>
  FP8C_FN void partial_sum(Slot<I>, float *sums, int64_t j, float v) const {
    float *sum = sums + index / BlockRows * cols;
    sum[j] = index % BlockRows ? sum[j] + v : v;
  }
};

/// As rows(), for kernels with partial sums.
template <int BlockRows, class K>
void rows_summed(const K &k, int64_t rows, int64_t cols) {
#pragma omp parallel for schedule(static) if (rows * cols >= parallel_threshold)
  for (int64_t first = 0; first < rows; first += BlockRows)
    for (int64_t i = first; i < rows && i < first + BlockRows; ++i)
      detail::run(k, SummedRow<BlockRows>{{i, rows, cols}});
}

//===----------------------------------------------------------------------===//
// columns
//===----------------------------------------------------------------------===//

/// All rows of a few neighbouring columns.
struct ColumnBlock {
  static constexpr int64_t max_width = 128;
  int64_t rows, cols; ///< of the matrix
  int64_t first, width;

  FP8C_FN int64_t at(int64_t i, int64_t j) const { return i * cols + j; }

  /// dst[j] (+)= the sum of f(i, j) over i. Rows are summed in groups first:
  /// rounding errors grow with the longest chain of additions.
  template <class T, class F>
  FP8C_FN void sum(T *dst, bool accumulate, const F &f) const {
    float total[max_width] = {};
    for (int64_t begin = 0; begin < rows; begin += 128) {
      const int64_t end = begin + 128 < rows ? begin + 128 : rows;
      float group[max_width] = {};
      int64_t i = begin;
      for (; i + 4 <= end; i += 4)
#pragma GCC ivdep
        for (int64_t j = 0; j < width; ++j)
          group[j] += (f(i, first + j) + f(i + 1, first + j)) +
                      (f(i + 2, first + j) + f(i + 3, first + j));
      for (; i < end; ++i)
#pragma GCC ivdep
        for (int64_t j = 0; j < width; ++j)
          group[j] += f(i, first + j);
      for (int64_t j = 0; j < width; ++j)
        total[j] += group[j];
    }
    for (int64_t j = 0; j < width; ++j)
      store(dst, first + j,
            accumulate ? load(dst, first + j) + total[j] : total[j]);
  }
};

template <class K> void columns(const K &k, int64_t rows, int64_t cols) {
#pragma omp parallel for schedule(static) if (rows * cols >= parallel_threshold)
  for (int64_t first = 0; first < cols; first += ColumnBlock::max_width) {
    const int64_t left = cols - first;
    detail::run(k, ColumnBlock{rows, cols, first,
                               left < ColumnBlock::max_width
                                   ? left
                                   : ColumnBlock::max_width});
  }
}

/// columns(k[t], rows[t], cols[t]) for each of `count` matrices.
template <class K>
void columns_multi(const K *k, const int64_t *rows, const int64_t *cols,
                   int64_t count) {
  for (int64_t t = 0; t < count; ++t)
    columns(k[t], rows[t], cols[t]);
}

//===----------------------------------------------------------------------===//
// sum
//===----------------------------------------------------------------------===//

namespace detail {

template <class K>
__attribute__((flatten)) inline float sum_piece(const K k, int64_t first,
                                                int64_t last) {
  return reduce_sum(first, last, k);
}

} // namespace detail

/// *out (+)= the sum of k(i). Pieces are summed in float, their sums in double.
template <class K>
void sum(const K &k, int64_t n, float *out, bool accumulate = false) {
  constexpr int64_t piece = 2048, max_slices = 256;
  // Slices are what threads work on; their number is bounded, their size grows.
  const int64_t pieces = (n + piece - 1) / piece;
  const int64_t slice = (pieces + max_slices - 1) / max_slices * piece;
  double partial[max_slices] = {};
#pragma omp parallel for schedule(static) if (n >= parallel_threshold)
  for (int64_t s = 0; s < max_slices; ++s)
    for (int64_t i = s * slice; i < n && i < (s + 1) * slice; i += piece)
      partial[s] += detail::sum_piece(k, i, i + piece < n ? i + piece : n);
  double total = 0.0;
  for (const double p : partial)
    total += p;
  *out = float(accumulate ? *out + total : total);
}

/// sum(k[t], n[t], out[t]) for each of `count` tensors.
template <class K>
void sum_multi(const K *k, const int64_t *n, float *const *out, int64_t count) {
  for (int64_t t = 0; t < count; ++t)
    sum(k[t], n[t], out[t]);
}

} // namespace fp8c

#endif // FP8C_KERNELS_CPU_SKELETONS_H
