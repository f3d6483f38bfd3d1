//===- TrainScalarExpansion.cpp - Element-wise ops on one element ---------===//
//
// The formulas are in f32. Each is the text of the kernels on every target, so
// that targets agree.
//
//===----------------------------------------------------------------------===//

#include "Train/IR/Train.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

namespace {
/// Arithmetic on f32 scalars that reads like a formula.
struct Scalar {
  OpBuilder *builder;
  Location loc;
  Value value;

  Scalar constant(float c) const {
    return {
        builder, loc,
        arith::ConstantOp::create(*builder, loc, builder->getF32FloatAttr(c))};
  }
  template <typename Op> Scalar unary() const {
    return {builder, loc, Op::create(*builder, loc, value)};
  }
  template <typename Op> Scalar binary(Scalar other) const {
    return {builder, loc, Op::create(*builder, loc, value, other.value)};
  }
  Scalar operator+(Scalar o) const { return binary<arith::AddFOp>(o); }
  Scalar operator-(Scalar o) const { return binary<arith::SubFOp>(o); }
  Scalar operator*(Scalar o) const { return binary<arith::MulFOp>(o); }
  Scalar operator/(Scalar o) const { return binary<arith::DivFOp>(o); }
  Scalar operator+(float c) const { return *this + constant(c); }
  Scalar operator*(float c) const { return *this * constant(c); }
  Scalar sigmoid() const {
    return constant(1) / (unary<arith::NegFOp>().unary<math::ExpOp>() + 1);
  }
};
} // namespace

static Scalar operator-(float c, Scalar x) { return x.constant(c) - x; }

#define EXPAND_UNARY(Op, formula)                                              \
  Value Op::expandScalar(OpBuilder &builder, Location loc,                     \
                         ValueRange scalars) {                                 \
    Scalar x{&builder, loc, scalars[0]};                                       \
    return (formula).value;                                                    \
  }
#define EXPAND_BINARY(Op, formula)                                             \
  Value Op::expandScalar(OpBuilder &builder, Location loc,                     \
                         ValueRange scalars) {                                 \
    Scalar x{&builder, loc, scalars[0]}, y{&builder, loc, scalars[1]};         \
    return (formula).value;                                                    \
  }

EXPAND_BINARY(AddOp, x + y)
EXPAND_BINARY(SubOp, x - y)
EXPAND_BINARY(MulOp, x *y)
EXPAND_BINARY(DivOp, x / y)
EXPAND_BINARY(PowOp, x.binary<math::PowFOp>(y))

EXPAND_UNARY(CastOp, x)
EXPAND_UNARY(NegOp, x.unary<arith::NegFOp>())
EXPAND_UNARY(AbsOp, x.unary<math::AbsFOp>())
EXPAND_UNARY(ExpOp, x.unary<math::ExpOp>())
EXPAND_UNARY(LogOp, x.unary<math::LogOp>())
EXPAND_UNARY(SqrtOp, x.unary<math::SqrtOp>())
EXPAND_UNARY(RsqrtOp, x.unary<math::RsqrtOp>())
EXPAND_UNARY(ReciprocalOp, x.constant(1) / x)
EXPAND_UNARY(TanhOp, x.unary<math::TanhOp>())
EXPAND_UNARY(SigmoidOp, x.sigmoid())
EXPAND_UNARY(ErfOp, x.unary<math::ErfOp>())
EXPAND_UNARY(ReluOp, x.binary<arith::MaximumFOp>(x.constant(0)))

static Value selectPositive(Scalar condition, Value positive, Value otherwise) {
  OpBuilder &builder = *condition.builder;
  Value test =
      arith::CmpFOp::create(builder, condition.loc, arith::CmpFPredicate::OGT,
                            condition.value, condition.constant(0).value);
  return arith::SelectOp::create(builder, condition.loc, test, positive,
                                 otherwise);
}

Value StepOp::expandScalar(OpBuilder &builder, Location loc,
                           ValueRange scalars) {
  Scalar x{&builder, loc, scalars[0]};
  return selectPositive(x, x.constant(1).value, x.constant(0).value);
}

Value SelectOp::expandScalar(OpBuilder &builder, Location loc,
                             ValueRange scalars) {
  return selectPositive({&builder, loc, scalars[0]}, scalars[1], scalars[2]);
}

// sqrt(2/pi) and the cubic coefficient of the tanh form (arXiv 1606.08415).
static constexpr float kGeluScale = 0.7978845608028654f, kGeluCubic = 0.044715f;
static constexpr float kSqrtHalf = 0.7071067811865476f,
                       kInvSqrt2Pi = 0.3989422804014327f;

static Scalar geluTanh(Scalar x) {
  return ((x + x * x * x * kGeluCubic) * kGeluScale).unary<math::TanhOp>();
}
static Scalar normalCDF(Scalar x) {
  return ((x * kSqrtHalf).unary<math::ErfOp>() + 1) * 0.5f;
}

EXPAND_UNARY(GeluOp, getTanh() ? x * 0.5f * (geluTanh(x) + 1) : x *normalCDF(x))

Value GeluVJPOp::expandScalar(OpBuilder &builder, Location loc,
                              ValueRange scalars) {
  Scalar x{&builder, loc, scalars[0]}, dy{&builder, loc, scalars[1]};
  if (!getTanh()) {
    Scalar density = (x * x * -0.5f).unary<math::ExpOp>() * kInvSqrt2Pi;
    return (dy * (normalCDF(x) + x * density)).value;
  }
  Scalar t = geluTanh(x);
  Scalar inner = (x * x * (3 * kGeluCubic) + 1) * kGeluScale;
  return (dy * ((t + 1) * 0.5f + x * 0.5f * (1 - t * t) * inner)).value;
}
