//===- TileScales.cpp - Buffers of scales, one per tile -------------------===//

#include "Conversion/TrainToExec/TileScales.h"

#include "Exec/IR/Exec.h"

using namespace mlir;
using namespace fp8c;

MemRefType fp8c::getScaleBuffer(fp8::ScaledType type) {
  int64_t count = exec::kScalePairWords;
  ArrayRef<int64_t> shape = type.getShape(), tile = type.getTile();
  if (!tile.empty()) {
    count = 1;
    // Rows of scales of square tiles have a length that is a multiple of 4.
    bool isSquare = llvm::all_of(tile, [](int64_t size) { return size > 1; });
    for (auto [i, size, tileSize] : llvm::enumerate(shape, tile)) {
      int64_t tiles = ShapedType::isDynamic(tileSize)
                          ? 1
                          : llvm::divideCeil(size, tileSize);
      bool isPadded = isSquare && i + 1 == shape.size();
      count *= isPadded ? llvm::alignTo(tiles, 4) : tiles;
    }
  }
  return MemRefType::get({count}, Float32Type::get(type.getContext()));
}

std::string fp8c::getScaleName(fp8::ScaledType type, StringRef variable) {
  return (variable + (type.isPerTensor() ? ".scale" : ".scale_inv")).str();
}

TiledMatrix::TiledMatrix(fp8::QuantizeTilesOp op) : rowDims(1) {
  fp8::ScaledType type = op.getOutput().getType();
  if (auto dims = op.getContracting())
    rowDims = dims->front() == 0 ? dims->back() + 1 : dims->front();
  for (auto [i, size, tileSize] :
       llvm::enumerate(type.getShape(), type.getTile())) {
    bool isRow = static_cast<int64_t>(i) < rowDims;
    (isRow ? rows : cols) *= size;
    (isRow ? tileRows : tileCols) *=
        ShapedType::isDynamic(tileSize) ? size : tileSize;
  }
}

bool TiledMatrix::isKnown() const {
  constexpr int64_t block = fp8::kBlockSize;
  return (tileRows == 1 && (tileCols == block || tileCols == cols)) ||
         (tileCols == 1 && (tileRows == block || tileRows == rows)) ||
         (tileRows == block && tileCols == block);
}

bool TiledMatrix::isTransposedBy(ArrayRef<int64_t> permutation) const {
  int64_t rank = permutation.size();
  for (auto [i, dim] : llvm::enumerate(permutation))
    if (dim != (static_cast<int64_t>(i) + rowDims) % rank)
      return false;
  return true;
}
