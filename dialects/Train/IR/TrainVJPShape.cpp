//===- TrainVJPShape.cpp - VJPs of reductions and changes of shape --------===//

#include "Train/IR/TensorExpr.h"
#include "Train/IR/TrainVJP.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

/// Zeros where no gradient flows into one of several results.
static Value orZeros(OpBuilder &builder, Location loc, Value cotangent,
                     Type type) {
  if (cotangent)
    return cotangent;
  return arith::ConstantOp::create(builder, loc,
                                   cast<TypedAttr>(builder.getZeroAttr(type)));
}

SmallVector<Value> ReduceSumOp::buildVJP(OpBuilder &builder,
                                         ValueRange cotangents,
                                         ArrayRef<bool> needed) {
  if (!needed[0])
    return {Value()};
  auto type = cast<RankedTensorType>(getInput().getType());
  SmallVector<int64_t> kept(type.getShape());
  for (int64_t axis : getAxes())
    kept[axis] = 1;
  Value dy = cotangents[0];
  auto element = cast<ShapedType>(dy.getType()).getElementType();
  if (!getKeepdims())
    dy = ReshapeOp::create(builder, getLoc(),
                           RankedTensorType::get(kept, element), dy);
  return {BroadcastToOp::create(builder, getLoc(), type, dy)};
}

SmallVector<Value> ReduceMaxOp::buildVJP(OpBuilder &builder,
                                         ValueRange cotangents,
                                         ArrayRef<bool> needed) {
  if (!needed[0])
    return {Value()};
  auto expr = [&](Value value) { return TensorExpr(builder, getLoc(), value); };
  SmallVector<int64_t> kept(fp8::getShape(getInput().getType()));
  for (int64_t axis : getAxes())
    kept[axis] = 1;
  TensorExpr x = expr(getInput()), y = expr(getOutput()).reshape(kept),
             dy = expr(cotangents[0]).reshape(kept);
  Value chosen = ConvertOp::create(
      builder, getLoc(),
      withElementType(getInput().getType(), builder.getF32Type()),
      x.compare(Predicate::eq, y));
  TensorExpr count = expr(ReduceSumOp::create(builder, getLoc(), chosen,
                                              getAxes(), /*keepdims=*/true));
  TensorExpr share = dy / count;
  return {reduceToOperand(builder, share * expr(chosen), getInput())};
}

SmallVector<Value> BroadcastToOp::buildVJP(OpBuilder &builder,
                                           ValueRange cotangents,
                                           ArrayRef<bool> needed) {
  if (!needed[0])
    return {Value()};
  return {reduceToOperand(builder, cotangents[0], getInput())};
}

SmallVector<Value> ReshapeOp::buildVJP(OpBuilder &builder,
                                       ValueRange cotangents,
                                       ArrayRef<bool> needed) {
  if (!needed[0])
    return {Value()};
  Value dx =
      ReshapeOp::create(builder, getLoc(), getInput().getType(), cotangents[0]);
  return {markIfParameter(dx, getInput())};
}

SmallVector<Value> TransposeOp::buildVJP(OpBuilder &builder,
                                         ValueRange cotangents,
                                         ArrayRef<bool> needed) {
  if (!needed[0])
    return {Value()};
  Value dx = TransposeOp::create(builder, getLoc(), getInput().getType(),
                                 cotangents[0],
                                 invertPermutationVector(getPermutation()));
  return {markIfParameter(dx, getInput())};
}

SmallVector<Value> SliceOp::buildVJP(OpBuilder &builder, ValueRange cotangents,
                                     ArrayRef<bool> needed) {
  if (!needed[0])
    return {Value()};
  return {PlaceOp::create(builder, getLoc(), getInput().getType(),
                          cotangents[0], getOffsets(), getStrides())};
}

SmallVector<Value> PlaceOp::buildVJP(OpBuilder &builder, ValueRange cotangents,
                                     ArrayRef<bool> needed) {
  if (!needed[0])
    return {Value()};
  return {SliceOp::create(builder, getLoc(), getInput().getType(),
                          cotangents[0], getOffsets(), getStrides())};
}

SmallVector<Value> SplitOp::buildVJP(OpBuilder &builder, ValueRange cotangents,
                                     ArrayRef<bool> needed) {
  if (!needed[0])
    return {Value()};
  SmallVector<Value> parts;
  for (auto [part, cotangent] : llvm::zip_equal(getParts(), cotangents))
    parts.push_back(orZeros(builder, getLoc(), cotangent, part.getType()));
  Value joined = ConcatOp::create(builder, getLoc(), getInput().getType(),
                                  parts, getAxis());
  return {markIfParameter(joined, getInput())};
}

SmallVector<Value> ConcatOp::buildVJP(OpBuilder &builder, ValueRange cotangents,
                                      ArrayRef<bool> needed) {
  auto split = SplitOp::create(builder, getLoc(), getOperandTypes(),
                               cotangents[0], getAxis());
  SmallVector<Value> gradients;
  for (auto [part, isNeeded] : llvm::zip_equal(split.getParts(), needed))
    gradients.push_back(isNeeded ? Value(part) : Value());
  return gradients;
}
