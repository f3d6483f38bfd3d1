//===- TileScales.h - Buffers of scales, one per tile -----------*- C++ -*-===//

#ifndef CONVERSION_TRAINTOEXEC_TILESCALES_H
#define CONVERSION_TRAINTOEXEC_TILESCALES_H

#include "FP8/IR/FP8.h"
#include "mlir/IR/BuiltinTypes.h"

namespace fp8c {

/// The buffer of a scaled tensor's scales: a pair of scale and inverse, or the
/// inverses of all tiles, which lie as kernels/common/tiles.h says.
mlir::MemRefType getScaleBuffer(fp8::ScaledType type);

/// What the variable with the scales of an FP8 variable is called.
std::string getScaleName(fp8::ScaledType type, llvm::StringRef variable);

/// A tensor seen as a row-major matrix, and the size of its tiles.
struct TiledMatrix {
  int64_t rows = 1, cols = 1, tileRows = 1, tileCols = 1;
  /// How many of the leading dimensions are its rows.
  int64_t rowDims;

  explicit TiledMatrix(fp8::QuantizeTilesOp op);
  /// Whether the kernel library knows such tiles.
  bool isKnown() const;
  /// Whether a permutation of the tensor's dimensions transposes the matrix.
  bool isTransposedBy(llvm::ArrayRef<int64_t> permutation) const;
};

} // namespace fp8c

#endif // CONVERSION_TRAINTOEXEC_TILESCALES_H
