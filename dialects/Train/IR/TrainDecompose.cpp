//===- TrainDecompose.cpp - Normalisations as small graphs ----------------===//
//
// Every intermediate value is f32; the caller rounds the results.
//
//===----------------------------------------------------------------------===//

#include "Train/IR/Train.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

namespace {
/// Tensor arithmetic in f32 that reads like a formula.
struct Tensor {
  OpBuilder *builder;
  Location loc;
  Value value;

  template <typename Op> Tensor binary(Tensor other) const {
    Type type = getBroadcastType(value.getType(), other.value.getType());
    type = withElementType(type, builder->getF32Type());
    return {builder, loc, Op::create(*builder, loc, type, value, other.value)};
  }
  template <typename Op> Tensor unary() const {
    return {builder, loc,
            Op::create(*builder, loc,
                       withElementType(value.getType(), builder->getF32Type()),
                       value)};
  }
  Tensor operator+(Tensor o) const { return binary<AddOp>(o); }
  Tensor operator-(Tensor o) const { return binary<SubOp>(o); }
  Tensor operator*(Tensor o) const { return binary<MulOp>(o); }
  Tensor operator/(Tensor o) const { return binary<DivOp>(o); }
  Tensor operator*(float c) const {
    return *this * Tensor{builder, loc, scalarConstant(*builder, loc, c)};
  }
  Tensor operator+(float c) const {
    return *this + Tensor{builder, loc, scalarConstant(*builder, loc, c)};
  }

  int64_t rank() const {
    return cast<RankedTensorType>(value.getType()).getRank();
  }
  int64_t lastDim() const {
    return cast<RankedTensorType>(value.getType()).getShape().back();
  }
  template <typename Op>
  Tensor reduce(ArrayRef<int64_t> axes, bool keepdims) const {
    return {builder, loc, Op::create(*builder, loc, value, axes, keepdims)};
  }
  Tensor rowSum() const { return reduce<ReduceSumOp>({rank() - 1}, true); }
  Tensor rowMean() const {
    return rowSum() * (1.0f / static_cast<float>(lastDim()));
  }
  Tensor columnSum() const {
    return reduce<ReduceSumOp>(
        llvm::to_vector(llvm::seq<int64_t>(0, rank() - 1)), false);
  }
};
} // namespace

/// A value in f32 (reading a narrower type widens it).
static Tensor read(OpBuilder &builder, Location loc, Value value) {
  return Tensor{&builder, loc, value};
}
#define READ(name) read(builder, getLoc(), get##name())

SmallVector<Value> LayerNormOp::decompose(OpBuilder &builder) {
  Tensor x = READ(Input);
  Tensor mean = x.unary<CastOp>().rowMean();
  Tensor centred = x - mean;
  Tensor variance = (centred * centred).rowMean();
  Tensor rstd = (variance + getEpsilon().convertToFloat()).unary<RsqrtOp>();
  Tensor y = centred * rstd * READ(Weight) + READ(Bias);
  return {y.value, mean.value, rstd.value};
}

SmallVector<Value> LayerNormApplyOp::decompose(OpBuilder &builder) {
  return {((READ(Input) - READ(Mean)) * READ(Rstd) * READ(Weight) + READ(Bias))
              .value};
}

SmallVector<Value> LayerNormVJPOp::decompose(OpBuilder &builder) {
  Tensor h = (READ(Input) - READ(Mean)) * READ(Rstd);
  Tensor g = READ(Cotangent) * READ(Weight);
  Tensor dx = (g - g.rowMean() - h * (g * h).rowMean()) * READ(Rstd);
  return {dx.value};
}

bool LayerNormParamsVJPOp::reducesColumns() { return true; }
SmallVector<Value> LayerNormParamsVJPOp::decompose(OpBuilder &builder) {
  Tensor h = (READ(Input) - READ(Mean)) * READ(Rstd);
  Tensor dy = READ(Cotangent).unary<CastOp>();
  return {(dy * h).columnSum().value, dy.columnSum().value};
}

SmallVector<Value> RMSNormOp::decompose(OpBuilder &builder) {
  Tensor x = READ(Input).unary<CastOp>();
  Tensor rstd =
      ((x * x).rowMean() + getEpsilon().convertToFloat()).unary<RsqrtOp>();
  return {(x * rstd * READ(Weight)).value, rstd.value};
}

SmallVector<Value> RMSNormApplyOp::decompose(OpBuilder &builder) {
  return {(READ(Input) * READ(Rstd) * READ(Weight)).value};
}

SmallVector<Value> RMSNormVJPOp::decompose(OpBuilder &builder) {
  Tensor h = READ(Input) * READ(Rstd);
  Tensor g = READ(Cotangent) * READ(Weight);
  return {((g - h * (g * h).rowMean()) * READ(Rstd)).value};
}

bool RMSNormParamsVJPOp::reducesColumns() { return true; }
SmallVector<Value> RMSNormParamsVJPOp::decompose(OpBuilder &builder) {
  return {(READ(Cotangent) * (READ(Input) * READ(Rstd))).columnSum().value};
}

SmallVector<Value> SoftmaxOp::decompose(OpBuilder &builder) {
  Tensor x = READ(Input).unary<CastOp>();
  Tensor e = (x - x.reduce<ReduceMaxOp>({x.rank() - 1}, true)).unary<ExpOp>();
  return {(e / e.rowSum()).value};
}

SmallVector<Value> LogSoftmaxOp::decompose(OpBuilder &builder) {
  Tensor x = READ(Input).unary<CastOp>();
  Tensor z = x - x.reduce<ReduceMaxOp>({x.rank() - 1}, true);
  return {(z - z.unary<ExpOp>().rowSum().unary<LogOp>()).value};
}

SmallVector<Value> SoftmaxVJPOp::decompose(OpBuilder &builder) {
  Tensor dy = READ(Cotangent), y = READ(Softmax);
  return {(y * (dy - (dy * y).rowSum())).value};
}

SmallVector<Value> AdamWOp::decompose(OpBuilder &builder) {
  Tensor p = READ(Parameter), m = READ(Moment1), v = READ(Moment2);
  Tensor coefficient = READ(Coefficient), beta1 = READ(Beta1),
         beta2 = READ(Beta2);
  Tensor one{&builder, getLoc(), scalarConstant(builder, getLoc(), 1)};
  Tensor g = READ(Gradient) * coefficient;
  Tensor m1 = beta1 * m + (one - beta1) * g;
  Tensor v1 = beta2 * v + (one - beta2) * (g * g);
  // Of the three divisions in Adam's formula two are by the same number for all
  // elements.
  Tensor correction1 = one / (one - beta1.binary<PowOp>(READ(Step)));
  Tensor correction2 = one / (one - beta2.binary<PowOp>(READ(Step)));
  Tensor update =
      (m1 * correction1) / ((v1 * correction2).unary<SqrtOp>() + READ(Eps));
  Value clamps;
  if (getBound()) {
    auto clamp =
        fp8::ClampOp::create(builder, getLoc(), update.value, getBound());
    update.value = clamp.getOutput();
    clamps = clamp.getStats();
  }
  if (getDecay())
    update = update + READ(WeightDecay) * p;
  Tensor p1 = p - READ(Lr) * update;
  // A negative coefficient says that the norm is not finite: keep everything.
  auto keepIfSkipped = [&](Tensor next, Tensor old) -> Value {
    return SelectOp::create(builder, getLoc(), next.value.getType(),
                            coefficient.value, next.value, old.value);
  };
  SmallVector<Value> results = {keepIfSkipped(p1, p), keepIfSkipped(m1, m),
                                keepIfSkipped(v1, v)};
  if (getClamps())
    results.push_back(clamps);
  return results;
}
