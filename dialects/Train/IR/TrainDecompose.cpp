//===- TrainDecompose.cpp - Normalisations as small graphs ----------------===//
//
// Every intermediate value is f32; the caller rounds the results.
//
//===----------------------------------------------------------------------===//

#include "Train/IR/TensorExpr.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

/// An operand (reading a narrower type widens it).
#define READ(name) TensorExpr(builder, getLoc(), get##name())

SmallVector<Value> LayerNormOp::decompose(OpBuilder &builder) {
  TensorExpr x = READ(Input);
  TensorExpr mean = x.cast().rowMean();
  TensorExpr centred = x - mean;
  TensorExpr variance = (centred * centred).rowMean();
  TensorExpr rstd = (variance + getEpsilon().convertToFloat()).rsqrt();
  TensorExpr y = centred * rstd * READ(Weight) + READ(Bias);
  return {y, mean, rstd};
}

SmallVector<Value> LayerNormApplyOp::decompose(OpBuilder &builder) {
  return {(READ(Input) - READ(Mean)) * READ(Rstd) * READ(Weight) + READ(Bias)};
}

SmallVector<Value> LayerNormVJPOp::decompose(OpBuilder &builder) {
  TensorExpr h = (READ(Input) - READ(Mean)) * READ(Rstd);
  TensorExpr g = READ(Cotangent) * READ(Weight);
  TensorExpr dx = (g - g.rowMean() - h * (g * h).rowMean()) * READ(Rstd);
  return {dx};
}

bool LayerNormParamsVJPOp::reducesColumns() { return true; }
SmallVector<Value> LayerNormParamsVJPOp::decompose(OpBuilder &builder) {
  TensorExpr h = (READ(Input) - READ(Mean)) * READ(Rstd);
  TensorExpr dy = READ(Cotangent).cast();
  return {(dy * h).columnSum(), dy.columnSum()};
}

SmallVector<Value> RMSNormOp::decompose(OpBuilder &builder) {
  TensorExpr x = READ(Input).cast();
  TensorExpr rstd = ((x * x).rowMean() + getEpsilon().convertToFloat()).rsqrt();
  return {x * rstd * READ(Weight), rstd};
}

SmallVector<Value> RMSNormApplyOp::decompose(OpBuilder &builder) {
  return {READ(Input) * READ(Rstd) * READ(Weight)};
}

SmallVector<Value> RMSNormVJPOp::decompose(OpBuilder &builder) {
  TensorExpr h = READ(Input) * READ(Rstd);
  TensorExpr g = READ(Cotangent) * READ(Weight);
  return {(g - h * (g * h).rowMean()) * READ(Rstd)};
}

bool RMSNormParamsVJPOp::reducesColumns() { return true; }
SmallVector<Value> RMSNormParamsVJPOp::decompose(OpBuilder &builder) {
  return {(READ(Cotangent) * (READ(Input) * READ(Rstd))).columnSum()};
}

SmallVector<Value> SoftmaxOp::decompose(OpBuilder &builder) {
  TensorExpr x = READ(Input).cast();
  TensorExpr e = (x - x.rowMax()).exp();
  return {e / e.rowSum()};
}

SmallVector<Value> LogSoftmaxOp::decompose(OpBuilder &builder) {
  TensorExpr x = READ(Input).cast();
  TensorExpr z = x - x.rowMax();
  return {z - z.exp().rowSum().log()};
}

SmallVector<Value> SoftmaxVJPOp::decompose(OpBuilder &builder) {
  TensorExpr dy = READ(Cotangent), y = READ(Softmax);
  return {y * (dy - (dy * y).rowSum())};
}

SmallVector<Value> AdamWOp::decompose(OpBuilder &builder) {
  TensorExpr p = READ(Parameter), m = READ(Moment1), v = READ(Moment2);
  TensorExpr coefficient = READ(Coefficient), beta1 = READ(Beta1),
             beta2 = READ(Beta2);
  TensorExpr one = beta1.constant(1);
  TensorExpr g = READ(Gradient) * coefficient;
  TensorExpr m1 = beta1 * m + (one - beta1) * g;
  TensorExpr v1 = beta2 * v + (one - beta2) * (g * g);
  // Of the three divisions in Adam's formula two are by the same number for all
  // elements.
  TensorExpr correction1 = one / (one - beta1.pow(READ(Step)));
  TensorExpr correction2 = one / (one - beta2.pow(READ(Step)));
  TensorExpr update =
      (m1 * correction1) / ((v1 * correction2).sqrt() + READ(Eps));
  Value clamps;
  if (getBound()) {
    auto clamp = fp8::ClampOp::create(builder, getLoc(), update, getBound());
    update = TensorExpr(builder, getLoc(), clamp.getOutput());
    clamps = clamp.getStats();
  }
  if (getDecay())
    update = update + READ(WeightDecay) * p;
  TensorExpr p1 = p - READ(Lr) * update;
  // A negative coefficient says that the norm is not finite: keep everything.
  auto keepIfSkipped = [&](TensorExpr next, TensorExpr old) -> Value {
    return SelectOp::create(builder, getLoc(), Value(next).getType(),
                            coefficient, next, old);
  };
  SmallVector<Value> results = {keepIfSkipped(p1, p), keepIfSkipped(m1, m),
                                keepIfSkipped(v1, v)};
  if (getClamps())
    results.push_back(clamps);
  return results;
}
