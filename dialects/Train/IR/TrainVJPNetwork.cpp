//===- TrainVJPNetwork.cpp - VJPs of a network's larger ops ---------------===//
//
// The gradient through the main result has an op of its own; it reads the
// statistics that the forward op saved. Gradients through the statistics are
// rare and written out.
//
//===----------------------------------------------------------------------===//

#include "Train/IR/TensorExpr.h"
#include "Train/IR/TrainVJP.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

namespace {
/// Sums what arrives at an operand through several results.
struct Sum {
  OpBuilder &builder;
  Location loc;
  Value value;

  void add(Value term) {
    value = value ? Value(TensorExpr(builder, loc, value) +
                          TensorExpr(builder, loc, term))
                  : term;
  }
  /// The sum as a gradient of `operand`.
  Value to(Value operand) const {
    return value ? reduceToOperand(builder, value, operand) : Value();
  }
};
} // namespace

//===----------------------------------------------------------------------===//
// Normalisations
//===----------------------------------------------------------------------===//

static float inverseWidth(Value input) {
  return 1.0f / cast<ShapedType>(input.getType()).getShape().back();
}

/// d rstd / d centred_i = -rstd^3 centred_i / width
static Value throughRstd(TensorExpr cotangent, TensorExpr rstd,
                         TensorExpr centred, Value input) {
  return cotangent * (rstd * rstd * rstd) * -inverseWidth(input) * centred;
}

SmallVector<Value> LayerNormOp::buildVJP(OpBuilder &builder,
                                         ValueRange cotangents,
                                         ArrayRef<bool> needed) {
  Location loc = getLoc();
  auto expr = [&](Value value) { return TensorExpr(builder, loc, value); };
  Value dy = cotangents[0], dmean = cotangents[1], drstd = cotangents[2];
  Value dx, dweight, dbias;
  if (needed[0]) {
    Type type = getInput().getType();
    Sum sum{builder, loc, {}};
    if (dy)
      sum.add(LayerNormVJPOp::create(builder, loc, type, dy, getInput(),
                                     getWeight(), getMean(), getRstd()));
    if (dmean)
      sum.add(BroadcastToOp::create(builder, loc, type,
                                    expr(dmean) * inverseWidth(getInput())));
    if (drstd)
      sum.add(throughRstd(expr(drstd), expr(getRstd()),
                          expr(getInput()) - expr(getMean()), getInput()));
    dx = sum.to(getInput());
  }
  if (dy && (needed[1] || needed[2])) {
    auto params = LayerNormParamsVJPOp::create(
        builder, loc, getWeight().getType(), getBias().getType(), dy,
        getInput(), getMean(), getRstd());
    if (needed[1])
      dweight = markIfParameter(params.getDweight(), getWeight());
    if (needed[2])
      dbias = markIfParameter(params.getDbias(), getBias());
  }
  return {dx, dweight, dbias};
}

SmallVector<Value> RMSNormOp::buildVJP(OpBuilder &builder,
                                       ValueRange cotangents,
                                       ArrayRef<bool> needed) {
  Location loc = getLoc();
  auto expr = [&](Value value) { return TensorExpr(builder, loc, value); };
  Value dy = cotangents[0], drstd = cotangents[1];
  Value dx, dweight;
  if (needed[0]) {
    Sum sum{builder, loc, {}};
    if (dy)
      sum.add(RMSNormVJPOp::create(builder, loc, getInput().getType(), dy,
                                   getInput(), getWeight(), getRstd()));
    if (drstd)
      sum.add(throughRstd(expr(drstd), expr(getRstd()), expr(getInput()),
                          getInput()));
    dx = sum.to(getInput());
  }
  if (dy && needed[1])
    dweight = markIfParameter(
        RMSNormParamsVJPOp::create(builder, loc, getWeight().getType(), dy,
                                   getInput(), getRstd()),
        getWeight());
  return {dx, dweight};
}

SmallVector<Value> SoftmaxOp::buildVJP(OpBuilder &builder,
                                       ValueRange cotangents,
                                       ArrayRef<bool> needed) {
  if (!needed[0])
    return {Value()};
  return {SoftmaxVJPOp::create(builder, getLoc(), getInput().getType(),
                               cotangents[0], getOutput())};
}

SmallVector<Value> LogSoftmaxOp::buildVJP(OpBuilder &builder,
                                          ValueRange cotangents,
                                          ArrayRef<bool> needed) {
  if (!needed[0])
    return {Value()};
  Location loc = getLoc();
  auto expr = [&](Value value) { return TensorExpr(builder, loc, value); };
  Value dy = cotangents[0];
  int64_t last = cast<RankedTensorType>(dy.getType()).getRank() - 1;
  Value sum = ReduceSumOp::create(builder, loc, dy, last, /*keepdims=*/true);
  TensorExpr softmax = expr(getOutput()).exp();
  TensorExpr dx = expr(dy) - softmax * expr(sum);
  return {reduceToOperand(builder, dx, getInput())};
}

//===----------------------------------------------------------------------===//
// Attention, embedding, loss
//===----------------------------------------------------------------------===//

SmallVector<Value> AttentionOp::buildVJP(OpBuilder &builder,
                                         ValueRange cotangents,
                                         ArrayRef<bool> needed) {
  if (cotangents[1]) {
    emitOpError("has no gradient through its result lse");
    return {};
  }
  auto vjp = AttentionVJPOp::create(
      builder, getLoc(), getQuery().getType(), getKey().getType(),
      getValue().getType(),
      getBias() && needed[3] ? getBias().getType() : Type(), cotangents[0],
      getQuery(), getKey(), getValue(), getOutput(), getLse(), getBias(),
      getLengths(), getHeadsAttr(), getKvHeadsAttr(), getScaleAttr(),
      getCausalAttr(), getWindowAttr(), getSoftcapAttr());
  SmallVector<Value> gradients(vjp.getResults());
  gradients.resize(getNumOperands());
  for (auto [gradient, isNeeded] : llvm::zip_equal(gradients, needed))
    if (!isNeeded)
      gradient = {};
  return gradients;
}

SmallVector<Value> RotaryOp::buildVJP(OpBuilder &builder, ValueRange cotangents,
                                      ArrayRef<bool> needed) {
  if (needed[1] || needed[2]) {
    emitOpError("takes constant tables only: they have no gradient");
    return {};
  }
  return {RotaryOp::create(builder, getLoc(), getInput().getType(),
                           cotangents[0], getCos(), getSin(), getHeads(),
                           getRotaryDim(), getInterleaved(), !getInverse()),
          Value(), Value()};
}

SmallVector<Value> EmbeddingOp::buildVJP(OpBuilder &builder,
                                         ValueRange cotangents,
                                         ArrayRef<bool> needed) {
  if (!needed[0])
    return {Value(), Value()};
  Value dtable = EmbeddingVJPOp::create(builder, getLoc(), getTable().getType(),
                                        cotangents[0], getIds());
  return {markIfParameter(dtable, getTable()), Value()};
}

SmallVector<Value> GatherElementsOp::buildVJP(OpBuilder &builder,
                                              ValueRange cotangents,
                                              ArrayRef<bool> needed) {
  if (!needed[0])
    return {Value(), Value()};
  Value ddata = GatherElementsVJPOp::create(
      builder, getLoc(), getData().getType(), cotangents[0], getIndices());
  return {markIfParameter(ddata, getData()), Value()};
}

SmallVector<Value> CrossEntropyOp::buildVJP(OpBuilder &builder,
                                            ValueRange cotangents,
                                            ArrayRef<bool> needed) {
  if (!needed[0])
    return {Value(), Value()};
  Location loc = getLoc();
  auto expr = [&](Value value) { return TensorExpr(builder, loc, value); };
  Value dloss = cotangents[0], dlse = cotangents[1];
  Sum sum{builder, loc, {}};
  if (dloss)
    sum.add(CrossEntropyVJPOp::create(
        builder, loc, getLogits().getType(), dloss, getLogits(), getLabels(),
        getLse(), getInvCount(), getIgnoreIndex(), getClassesAttr()));
  if (dlse) { // d lse / d logits = softmax
    SmallVector<int64_t> column(cast<ShapedType>(dlse.getType()).getShape());
    column.push_back(1);
    TensorExpr softmax =
        (expr(getLogits()) - expr(getLse()).reshape(column)).exp();
    sum.add(softmax * expr(dlse).reshape(column));
  }
  return {sum.to(getLogits()), Value()};
}
