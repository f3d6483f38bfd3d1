//===- Builders.cpp - Formulas of scaling in upstream's ops ---------------===//

#include "Conversion/FP8ToUpstream/Builders.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace fp8c;
using namespace fp8c::upstream;

Value upstream::buildFloat(ImplicitLocOpBuilder &b, float value) {
  return arith::ConstantOp::create(b, b.getF32FloatAttr(value));
}

Value upstream::buildCast(ImplicitLocOpBuilder &b, Value value, Type type) {
  unsigned from = value.getType().getIntOrFloatBitWidth(),
           to = type.getIntOrFloatBitWidth();
  if (value.getType() == type)
    return value;
  assert(from != to && "all arithmetic is f32");
  if (from < to)
    return arith::ExtFOp::create(b, type, value);
  return arith::TruncFOp::create(b, type, value);
}

Value upstream::buildRead(ImplicitLocOpBuilder &b, Value scalar) {
  return tensor::ExtractOp::create(b, scalar, ValueRange());
}

static Value buildCompare(ImplicitLocOpBuilder &b,
                          arith::CmpFPredicate predicate, Value x, Value y) {
  return arith::CmpFOp::create(b, predicate, x, y);
}

Value upstream::buildLimited(ImplicitLocOpBuilder &b, Value x, Value low,
                             Value high) {
  Value above = buildCompare(b, arith::CmpFPredicate::OGT, x, high);
  x = arith::SelectOp::create(b, above, high, x);
  Value below = buildCompare(b, arith::CmpFPredicate::OLT, x, low);
  return arith::SelectOp::create(b, below, low, x);
}

Value upstream::buildInverse(ImplicitLocOpBuilder &b, Value scale) {
  return arith::DivFOp::create(b, buildFloat(b, 1.0f), scale);
}

Value upstream::buildIsFinite(ImplicitLocOpBuilder &b, Value magnitude) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  return buildCompare(b, arith::CmpFPredicate::OLT, magnitude,
                      buildFloat(b, infinity));
}

Value upstream::buildScale(ImplicitLocOpBuilder &b, const Scaling &scaling,
                           Value amax, Value otherwise) {
  // Beyond a thousand binades everything is zero.
  int margin = std::min<int64_t>(scaling.margin, 1000);
  float largest = static_cast<float>(fp8::maxFinite(scaling.format)) *
                  std::ldexp(1.0f, -margin);
  Value scale = arith::DivFOp::create(b, buildFloat(b, largest), amax);
  // Bounded so that its inverse is a normal number.
  scale = arith::MinimumFOp::create(b, scale, buildFloat(b, 0x1p126f));
  if (scaling.pow2) {
    // Without its mantissa a number is the power of two below.
    Type i32 = b.getI32Type();
    Value bits = arith::BitcastOp::create(b, i32, scale);
    Value exponent = arith::ConstantOp::create(
        b, b.getI32IntegerAttr(static_cast<int32_t>(0xff800000u)));
    bits = arith::AndIOp::create(b, bits, exponent);
    scale = arith::BitcastOp::create(b, b.getF32Type(), bits);
  }
  Value isPositive =
      buildCompare(b, arith::CmpFPredicate::OGT, amax, buildFloat(b, 0.0f));
  Value isUsable = arith::AndIOp::create(b, isPositive, buildIsFinite(b, amax));
  return arith::SelectOp::create(b, isUsable, scale, otherwise);
}

Value upstream::buildCode(ImplicitLocOpBuilder &b, Value x, Value scale,
                          FloatType format) {
  Value scaled =
      arith::MulFOp::create(b, buildCast(b, x, b.getF32Type()), scale);
  // What is beyond the format's range would be rounded to NaN or infinity.
  float limit = static_cast<float>(fp8::maxFinite(format));
  Value high = buildFloat(b, limit), low = buildFloat(b, -limit);
  scaled = buildLimited(b, scaled, low, high);
  return buildCast(b, scaled, format);
}

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

Value upstream::buildElementwise(ImplicitLocOpBuilder &b, RankedTensorType type,
                                 ValueRange inputs, Body body,
                                 ArrayRef<std::optional<AffineMap>> maps) {
  AffineMap identity = b.getMultiDimIdentityMap(type.getRank());
  SmallVector<AffineMap> all(inputs.size() + 1, identity);
  for (auto [map, given] : llvm::zip(all, maps))
    map = given.value_or(identity);
  Value init =
      tensor::EmptyOp::create(b, type.getShape(), type.getElementType());
  SmallVector<utils::IteratorType> loops(type.getRank(),
                                         utils::IteratorType::parallel);
  return linalg::GenericOp::create(
             b, TypeRange(type), inputs, ValueRange(init), all, loops,
             [&](OpBuilder &builder, Location loc, ValueRange values) {
               ImplicitLocOpBuilder inner(loc, builder);
               linalg::YieldOp::create(inner, body(inner, values.drop_back()));
             })
      .getResult(0);
}

Value upstream::buildZeros(ImplicitLocOpBuilder &b, ArrayRef<int64_t> shape) {
  Value init = tensor::EmptyOp::create(b, shape, b.getF32Type());
  return linalg::FillOp::create(b, ValueRange(buildFloat(b, 0.0f)),
                                ValueRange(init))
      .getResult(0);
}

Value upstream::buildMagnitudes(ImplicitLocOpBuilder &b, Value input,
                                ArrayRef<int64_t> kept, bool all) {
  auto type = cast<RankedTensorType>(input.getType());
  SmallVector<int64_t> shape;
  SmallVector<AffineExpr> dims;
  SmallVector<utils::IteratorType> loops(type.getRank(),
                                         utils::IteratorType::reduction);
  for (int64_t dim : kept) {
    shape.push_back(type.getDimSize(dim));
    dims.push_back(b.getAffineDimExpr(dim));
    loops[dim] = utils::IteratorType::parallel;
  }
  Value init = buildZeros(b, shape);
  AffineMap maps[] = {b.getMultiDimIdentityMap(type.getRank()),
                      AffineMap::get(type.getRank(), 0, dims, b.getContext())};
  return linalg::GenericOp::create(
             b, TypeRange(init.getType()), ValueRange(input), ValueRange(init),
             maps, loops,
             [&](OpBuilder &builder, Location loc, ValueRange values) {
               ImplicitLocOpBuilder inner(loc, builder);
               Value x = buildCast(inner, values[0], inner.getF32Type());
               x = math::AbsFOp::create(inner, x);
               if (!all) {
                 Value isFinite = buildIsFinite(inner, x);
                 x = arith::SelectOp::create(inner, isFinite, x,
                                             buildFloat(inner, 0.0f));
               }
               x = arith::MaximumFOp::create(inner, x, values[1]);
               linalg::YieldOp::create(inner, x);
             })
      .getResult(0);
}
