//===- tiles.h - Matrices with a scale per tile ---------------------------===//
//
// Finer scales than one per tensor belong to rows or blocks of a GEMM's
// operand, which lie along the dimension that the GEMM sums over: a factor can
// leave the sum of a row or of a block only if it is the same for all of its
// terms.
//
// The inverse scales stand in memory as cuBLASLt wants them ("Scaling Factors
// Layouts" in its documentation, section "128-element 1D and 128x128 2D Block
// Scaling"), on every target.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_COMMON_TILES_H
#define FP8C_KERNELS_COMMON_TILES_H

#include "kernels/common/target.h"

namespace fp8c {

/// Which elements of a GEMM's operand share a scale: all of them; a row, along
/// the contracted dimension; 128 neighbours in a row; those of 128 rows.
enum class Granularity { tensor, row, block_1x128, block_128x128 };

/// A rows x cols matrix, row-major, in tiles of tile_rows x tile_cols, and
/// where the inverse scale of an element's tile stands.
///
/// Tiles of one row: [cols / tile_cols, rows]; tiles of one column:
/// [rows / tile_rows, cols]; others: [rows / tile_rows, cols / tile_cols] with
/// the second size rounded up to a multiple of 4. So a transposed copy of the
/// matrix has the same inverse scales, in the same places, but for the last
/// kind.
struct TiledMatrix {
  int64_t rows, cols, tile_rows, tile_cols;

  FP8C_FN int64_t tiles_down() const {
    return (rows + tile_rows - 1) / tile_rows;
  }
  FP8C_FN int64_t tiles_across() const {
    return (cols + tile_cols - 1) / tile_cols;
  }
  FP8C_FN int64_t row_stride() const {
    return tile_rows == 1   ? 1
           : tile_cols == 1 ? cols
                            : (tiles_across() + 3) / 4 * 4;
  }
  FP8C_FN int64_t col_stride() const {
    return tile_rows == 1 && tile_cols != 1 ? rows : 1;
  }
  FP8C_FN int64_t scale_of(int64_t row, int64_t col) const {
    return row / tile_rows * row_stride() + col / tile_cols * col_stride();
  }
  FP8C_FN int64_t scales() const {
    return tile_rows == 1   ? tiles_across() * rows
           : tile_cols == 1 ? tiles_down() * cols
                            : tiles_down() * row_stride();
  }
  FP8C_FN TiledMatrix transposed() const {
    return {cols, rows, tile_cols, tile_rows};
  }
};

/// The operand of a GEMM that is stored rows x cols and contracted along its
/// columns, or with `down` along its rows.
FP8C_FN TiledMatrix tiled(Granularity granularity, int64_t rows, int64_t cols,
                          bool down) {
  const int64_t contracted = down ? rows : cols;
  const int64_t along = granularity == Granularity::row ? contracted : 128;
  const int64_t across = granularity == Granularity::block_128x128 ? 128 : 1;
  return down ? TiledMatrix{rows, cols, along, across}
              : TiledMatrix{rows, cols, across, along};
}

/// How a matrix is to be quantised in tiles.
struct TileScaling {
  TiledMatrix matrix;
  /// The scale is 2^margin smaller than it could be.
  float margin = 0;
  /// Floor the scale to a power of two.
  bool pow2 = false;
  /// Write the codes [cols, rows].
  bool transposed = false;

  /// How the codes lie, and their inverse scales with them.
  FP8C_FN TiledMatrix stored() const {
    return transposed ? matrix.transposed() : matrix;
  }
};

} // namespace fp8c

#endif // FP8C_KERNELS_COMMON_TILES_H
