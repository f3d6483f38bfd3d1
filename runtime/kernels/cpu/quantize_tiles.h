//===- quantize_tiles.h - Quantisation with a scale per tile --------------===//
//
// A thread takes a strip of tiles, one above or beside the other, and goes over
// it twice: once for the amaxes, once for the codes, while it is in the cache.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_CPU_QUANTIZE_TILES_H
#define FP8C_KERNELS_CPU_QUANTIZE_TILES_H

#include "kernels/common/scale_state.h"
#include "kernels/common/tiles.h"
#include "kernels/cpu/parallel.h"

#include <algorithm>

namespace fp8c {
namespace detail {

/// Columns whose amaxes are gathered side by side.
constexpr int64_t amax_lanes = 64;

/// The largest finite magnitude of each of `cols` columns (at most amax_lanes)
/// of `rows` rows, and what `lanes` had.
template <class X>
inline void gather_amaxes(const X *x, int64_t stride, int64_t rows,
                          int64_t cols, uint32_t *lanes) {
  for (int64_t i = 0; i < rows; ++i) {
    const X *row = x + i * stride;
#pragma GCC ivdep
    for (int64_t j = 0; j < cols; ++j)
      lanes[j] = std::max(lanes[j], finite_magnitude_bits(load(row, j)));
  }
}

/// Quantises rows [row, row_end) x columns [col, col_end) of x: one tile, or
/// neighbouring ones of one column each.
template <class T, class X>
inline void quantize_strip(const TileScaling &s, int64_t row, int64_t row_end,
                           int64_t col, int64_t col_end, const X *x, T *q,
                           float *scale_inv) {
  const TiledMatrix &m = s.matrix;
  const TiledMatrix stored = s.stored();
  const float largest = scaled_max<T>(s.margin);
  const bool columns = m.tile_cols == 1;
  uint32_t lanes[amax_lanes] = {};
  for (int64_t j = col; j < col_end; j += amax_lanes)
    gather_amaxes(x + row * m.cols + j, m.cols, row_end - row,
                  std::min(col_end - j, amax_lanes), lanes);
  const uint32_t all = *std::max_element(lanes, lanes + amax_lanes);
  float scales[amax_lanes];
  for (int64_t l = 0; l < amax_lanes; ++l)
    scales[l] = current_scale(columns ? lanes[l] : all, largest, s.pow2);
  for (int64_t j = col; j < (columns ? col_end : col + 1); ++j)
    scale_inv[s.transposed ? stored.scale_of(j, row) : m.scale_of(row, j)] =
        1.0f / scales[j - col];
  for (int64_t i = row; i < row_end; ++i)
    for (int64_t j0 = col; j0 < col_end; j0 += amax_lanes) {
      const X *from = x + i * m.cols + j0;
      const int64_t count = std::min(col_end - j0, amax_lanes);
      T codes[amax_lanes];
#pragma GCC ivdep
      for (int64_t j = 0; j < count; ++j)
        store(codes, j, load(from, j) * scales[j]);
      if (s.transposed)
        for (int64_t j = 0; j < count; ++j)
          q[(j0 + j) * m.rows + i] = codes[j];
      else
        std::copy(codes, codes + count, q + i * m.cols + j0);
    }
}

} // namespace detail

/// Per tile of x, which is rows x cols: scale = max(T) * 2^-margin / amax, the
/// codes x * scale, rounded to nearest even and saturated, and 1 / scale.
/// `scale_inv` has s.stored().scales() numbers; those that no tile has stay as
/// they are.
template <class T, class X>
void quantize_tiles(const TileScaling &s, const X *x, T *q, float *scale_inv) {
  const TiledMatrix &m = s.matrix;
  // Columns are taken several at a time.
  const int64_t width = m.tile_cols == 1 ? detail::amax_lanes : m.tile_cols;
  const int64_t across = (m.cols + width - 1) / width;
#pragma omp parallel for schedule(static) if (m.rows * m.cols >=               \
                                              parallel_threshold)
  for (int64_t t = 0; t < m.tiles_down() * across; ++t) {
    const int64_t row = t / across * m.tile_rows, col = t % across * width;
    detail::quantize_strip(s, row, std::min(row + m.tile_rows, m.rows), col,
                           std::min(col + width, m.cols), x, q, scale_inv);
  }
}

} // namespace fp8c

#endif // FP8C_KERNELS_CPU_QUANTIZE_TILES_H
