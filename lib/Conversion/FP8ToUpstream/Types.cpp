//===- Types.cpp - What types of the fp8 dialect become -------------------===//

#include "Conversion/FP8ToUpstream/Types.h"

#include "mlir/IR/BuiltinTypes.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::upstream;

bool upstream::isOfFP8(Type type) {
  return isa<fp8::FP8Dialect>(type.getDialect());
}

bool upstream::containsFP8(Type type) {
  return type
      .walk([](Type inner) {
        return isOfFP8(inner) ? WalkResult::interrupt() : WalkResult::advance();
      })
      .wasInterrupted();
}

UpstreamTypes::UpstreamTypes() {
  addConversion([](Type type) -> std::optional<Type> {
    // A type that has one of ours inside is nothing that is known here.
    return containsFP8(type) ? Type() : type;
  });
  addConversion(
      [](fp8::ScaleType type) { return Float32Type::get(type.getContext()); });
  addConversion(
      [](fp8::StatsType type) { return Float32Type::get(type.getContext()); });
  addConversion(
      [](fp8::ScaledType type,
         SmallVectorImpl<Type> &results) -> std::optional<LogicalResult> {
        results.push_back(getCodesType(type));
        results.push_back(type.isPerTensor()
                              ? Type(Float32Type::get(type.getContext()))
                              : getTileScalesType(type));
        return success();
      });
  addConversion([](fp8::ScaleStateType type, SmallVectorImpl<Type> &results)
                    -> std::optional<LogicalResult> {
    Type f32 = Float32Type::get(type.getContext());
    results.append({f32, f32, RankedTensorType::get({type.getWindow()}, f32)});
    return success();
  });
}

RankedTensorType upstream::getCodesType(fp8::ScaledType type) {
  return RankedTensorType::get(type.getShape(), type.getStorage());
}

SmallVector<TileDim> upstream::getTileDims(fp8::ScaledType type) {
  return llvm::map_to_vector(llvm::zip(type.getShape(), type.getTile()),
                             [](auto sizes) {
                               auto [size, tile] = sizes;
                               if (ShapedType::isDynamic(tile))
                                 return TileDim{1, size};
                               int64_t count = llvm::divideCeil(size, tile);
                               return TileDim{count, count == 1 ? size : tile};
                             });
}

RankedTensorType upstream::getTileScalesType(fp8::ScaledType type) {
  SmallVector<int64_t> shape = llvm::map_to_vector(
      getTileDims(type), [](TileDim dim) { return dim.count; });
  return RankedTensorType::get(shape, Float32Type::get(type.getContext()));
}

AffineMap upstream::getTileMap(fp8::ScaledType type) {
  SmallVector<AffineExpr> tile;
  for (auto [i, dim] : llvm::enumerate(getTileDims(type))) {
    AffineExpr at = getAffineDimExpr(i, type.getContext());
    tile.push_back(dim.count == 1 ? getAffineConstantExpr(0, type.getContext())
                                  : at.floorDiv(dim.width));
  }
  return AffineMap::get(type.getRank(), 0, tile, type.getContext());
}
