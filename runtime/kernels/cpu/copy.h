//===- copy.h - Moving and filling tensors --------------------------------===//
//
// copy_strided serves transposes, slices, concatenations, pads and broadcasts:
// all of them are a copy between two strided views.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_CPU_COPY_H
#define FP8C_KERNELS_CPU_COPY_H

#include "kernels/common/copy_loops.h"
#include "kernels/common/types.h"
#include "kernels/cpu/parallel.h"

#include <type_traits>

namespace fp8c {
namespace detail {

/// The two innermost loops, in tiles: where rows of one view are columns of the
/// other, a tile's lines stay in the cache until all of them is used.
template <class T, class Out>
inline void copy_plane(const T *src, Out *dst, int64_t rows, int64_t cols,
                       int64_t src_row, int64_t dst_row, int64_t src_col,
                       int64_t dst_col) {
  if (src_col == 1 && dst_col == 1) {
    for (int64_t i = 0; i < rows; ++i)
#pragma GCC ivdep
      for (int64_t j = 0; j < cols; ++j)
        move(dst + i * dst_row + j, src + i * src_row + j);
    return;
  }
  constexpr int64_t tile = 32;
  for (int64_t i0 = 0; i0 < rows; i0 += tile)
    for (int64_t j0 = 0; j0 < cols; j0 += tile)
      for (int64_t i = i0; i < rows && i < i0 + tile; ++i) {
        const int64_t end = j0 + tile < cols ? j0 + tile : cols;
#pragma GCC ivdep
        for (int64_t j = j0; j < end; ++j)
          move(dst + i * dst_row + j * dst_col,
               src + i * src_row + j * src_col);
      }
}

} // namespace detail

/// dst[i, ...] = src[i, ...] for all indices below `shape`; a source stride of
/// 0 broadcasts. Strides are in elements.
template <class T, class Out>
void copy_strided(const T *src, Out *dst, int rank, const int64_t *shape,
                  const int64_t *src_strides, const int64_t *dst_strides) {
  int64_t total = 1;
  for (int d = 0; d < rank; ++d)
    total *= shape[d];
  if (total == 0)
    return;

  detail::CopyLoops loops(rank, shape, src_strides, dst_strides);
  // A transpose: pair the innermost loop with the one that reads in order.
  const int inner = loops.rank - 1;
  if (loops.src[inner] > 1)
    for (int d = 0; d < inner; ++d)
      if (loops.src[d] == 1)
        loops.make_second_innermost(d);

  // Threads take pieces of a plane: bands of rows, cut where they are long.
  constexpr int64_t band = 32, cut = 4096;
  const int64_t src_row = loops.src[inner - 1], src_col = loops.src[inner];
  const int64_t dst_row = loops.dst[inner - 1], dst_col = loops.dst[inner];
  const int64_t rows = loops.size[inner - 1], cols = loops.size[inner];
  const int64_t bands = (rows + band - 1) / band;
  const int64_t cuts = (cols + cut - 1) / cut;
  const int64_t planes = total / (rows * cols);
#pragma omp parallel for schedule(static) if (total >= parallel_threshold)
  for (int64_t piece = 0; piece < planes * bands * cuts; ++piece) {
    const int64_t col = piece % cuts * cut;
    const int64_t row = piece / cuts % bands * band;
    int64_t from = row * src_row + col * src_col;
    int64_t to = row * dst_row + col * dst_col;
    int64_t plane = piece / cuts / bands;
    for (int d = inner - 2; d >= 0; --d) {
      from += plane % loops.size[d] * loops.src[d];
      to += plane % loops.size[d] * loops.dst[d];
      plane /= loops.size[d];
    }
    detail::copy_plane(src + from, dst + to,
                       rows - row < band ? rows - row : band,
                       cols - col < cut ? cols - col : cut, src_row, dst_row,
                       src_col, dst_col);
  }
}

/// The same as emitted programs write it:
///   copy(x, y, {rows, cols}, {cols, 1}, {1, rows});
template <class T, class Out, int Rank>
void copy(const T *src, Out *dst, const int64_t (&shape)[Rank],
          const int64_t (&src_strides)[Rank],
          const int64_t (&dst_strides)[Rank]) {
  copy_strided(src, dst, Rank, shape, src_strides, dst_strides);
}

template <class T> void fill(T *p, int64_t n, float value) {
  const T v = detail::filling<T>(value);
#pragma omp parallel for schedule(static) if (n >= parallel_threshold)
  for (int64_t i = 0; i < n; ++i)
    p[i] = v;
}

} // namespace fp8c

#endif // FP8C_KERNELS_CPU_COPY_H
