//===- Types.h - What types of the fp8 dialect become -----------*- C++ -*-===//

#ifndef CONVERSION_FP8TOUPSTREAM_TYPES_H
#define CONVERSION_FP8TOUPSTREAM_TYPES_H

#include "FP8/IR/FP8.h"
#include "mlir/IR/AffineMap.h"
#include "mlir/Transforms/DialectConversion.h"

namespace fp8c::upstream {

/// Whether the type is one of the fp8 dialect.
bool isOfFP8(mlir::Type type);
/// Whether it is, or has one inside.
bool containsFP8(mlir::Type type);

/// Every type of the fp8 dialect becomes one or several of upstream's:
/// a scale      f32
/// a tensor     its codes; its inverse scale, f32, or a tensor of them
/// statistics   the amax, f32
/// a state      the scale, the amax recorded since the last advance, the window
/// Other types stay.
class UpstreamTypes : public mlir::TypeConverter {
public:
  UpstreamTypes();
};

mlir::RankedTensorType getCodesType(fp8::ScaledType type);

/// Along one dimension of a tiled tensor: how many tiles, of how many elements;
/// the last tile may be cut off by the tensor's end.
struct TileDim {
  int64_t count, width;
};
llvm::SmallVector<TileDim> getTileDims(fp8::ScaledType type);

/// One number per tile.
mlir::RankedTensorType getTileScalesType(fp8::ScaledType type);
/// From an element to its tile.
mlir::AffineMap getTileMap(fp8::ScaledType type);

} // namespace fp8c::upstream

#endif // CONVERSION_FP8TOUPSTREAM_TYPES_H
