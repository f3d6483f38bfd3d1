//===- TrainScalarExpansion.cpp - Element-wise ops on one element ---------===//
//
// The formulas are in f32, but for integers and booleans, which stay what they
// are. Each is the text of the kernels on every target, so that targets agree.
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
  /// An integer, or a truth value, of this one's type.
  Scalar integer(int64_t c) const {
    auto attr = builder->getIntegerAttr(value.getType(), c);
    return {builder, loc, arith::ConstantOp::create(*builder, loc, attr)};
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

/// Of floats, or of integers modulo 2^bits.
#define EXPAND_ARITHMETIC(Op, FloatOp, IntegerOp)                              \
  EXPAND_BINARY(Op, isFloat(getOutput()) ? x.binary<FloatOp>(y)                \
                                         : x.binary<IntegerOp>(y))

EXPAND_ARITHMETIC(AddOp, arith::AddFOp, arith::AddIOp)
EXPAND_ARITHMETIC(SubOp, arith::SubFOp, arith::SubIOp)
EXPAND_ARITHMETIC(MulOp, arith::MulFOp, arith::MulIOp)
EXPAND_ARITHMETIC(DivOp, arith::DivFOp, arith::DivSIOp)
EXPAND_ARITHMETIC(MinimumOp, arith::MinimumFOp, arith::MinSIOp)
EXPAND_ARITHMETIC(MaximumOp, arith::MaximumFOp, arith::MaxSIOp)
EXPAND_BINARY(PowOp, x.binary<math::PowFOp>(y))

EXPAND_BINARY(AndOp, x.binary<arith::AndIOp>(y))
EXPAND_BINARY(OrOp, x.binary<arith::OrIOp>(y))
EXPAND_BINARY(XorOp, x.binary<arith::XOrIOp>(y))
EXPAND_UNARY(NotOp, x.binary<arith::XOrIOp>(x.integer(1)))

EXPAND_UNARY(CastOp, x)
EXPAND_UNARY(NegOp, isFloat(getOutput())
                        ? x.unary<arith::NegFOp>()
                        : x.integer(0).binary<arith::SubIOp>(x))
EXPAND_UNARY(AbsOp, isFloat(getOutput())
                        ? x.unary<math::AbsFOp>()
                        : x.binary<arith::MaxSIOp>(
                              x.integer(0).binary<arith::SubIOp>(x)))
EXPAND_UNARY(SinOp, x.unary<math::SinOp>())
EXPAND_UNARY(CosOp, x.unary<math::CosOp>())
EXPAND_UNARY(FloorOp, x.unary<math::FloorOp>())
EXPAND_UNARY(CeilOp, x.unary<math::CeilOp>())
EXPAND_UNARY(RoundOp, x.unary<math::RoundEvenOp>())
EXPAND_UNARY(ExpOp, x.unary<math::ExpOp>())
EXPAND_UNARY(LogOp, x.unary<math::LogOp>())
EXPAND_UNARY(SqrtOp, x.unary<math::SqrtOp>())
EXPAND_UNARY(RsqrtOp, x.unary<math::RsqrtOp>())
EXPAND_UNARY(ReciprocalOp, x.constant(1) / x)
EXPAND_UNARY(TanhOp, x.unary<math::TanhOp>())
EXPAND_UNARY(SigmoidOp, x.sigmoid())
EXPAND_UNARY(ErfOp, x.unary<math::ErfOp>())
EXPAND_UNARY(ReluOp, x.binary<arith::MaximumFOp>(x.constant(0)))

/// The comparison of two scalars of one type; `predicate` as of signed
/// integers.
static Value compare(Predicate predicate, Scalar x, Scalar y) {
  using F = arith::CmpFPredicate;
  using I = arith::CmpIPredicate;
  static constexpr F ofFloats[] = {F::OEQ, F::UNE, F::OLT,
                                   F::OLE, F::OGT, F::OGE};
  static constexpr I ofIntegers[] = {I::eq,  I::ne,  I::slt,
                                     I::sle, I::sgt, I::sge};
  static constexpr I ofBooleans[] = {I::eq,  I::ne,  I::ult,
                                     I::ule, I::ugt, I::uge};
  auto index = static_cast<size_t>(predicate);
  Type type = x.value.getType();
  if (isa<FloatType>(type))
    return arith::CmpFOp::create(*x.builder, x.loc, ofFloats[index], x.value,
                                 y.value);
  return arith::CmpIOp::create(
      *x.builder, x.loc, (type.isInteger(1) ? ofBooleans : ofIntegers)[index],
      x.value, y.value);
}

Value CompareOp::expandScalar(OpBuilder &builder, Location loc,
                              ValueRange scalars) {
  return compare(getPredicate(), {&builder, loc, scalars[0]},
                 {&builder, loc, scalars[1]});
}

static Value select(OpBuilder &builder, Location loc, Value condition,
                    Value positive, Value otherwise) {
  if (isa<FloatType>(condition.getType())) {
    Scalar x{&builder, loc, condition};
    condition = compare(Predicate::gt, x, x.constant(0));
  }
  return arith::SelectOp::create(builder, loc, condition, positive, otherwise);
}

Value SelectOp::expandScalar(OpBuilder &builder, Location loc,
                             ValueRange scalars) {
  return select(builder, loc, scalars[0], scalars[1], scalars[2]);
}

Value StepOp::expandScalar(OpBuilder &builder, Location loc,
                           ValueRange scalars) {
  Scalar x{&builder, loc, scalars[0]};
  return select(builder, loc, x.value, x.constant(1).value,
                x.constant(0).value);
}

Value SignOp::expandScalar(OpBuilder &builder, Location loc,
                           ValueRange scalars) {
  Scalar x{&builder, loc, scalars[0]};
  auto number = [&](int64_t c) {
    return isFloat(getOutput()) ? x.constant(c) : x.integer(c);
  };
  Scalar zero = number(0);
  Value below = select(builder, loc, compare(Predicate::lt, x, zero),
                       number(-1).value, zero.value);
  return select(builder, loc, compare(Predicate::gt, x, zero), number(1).value,
                below);
}

Value ConvertOp::expandScalar(OpBuilder &builder, Location loc,
                              ValueRange scalars) {
  Scalar x{&builder, loc, scalars[0]};
  Type from = x.value.getType(), to = getElementTypeOrSelf(getOutput());
  bool fromFloat = isa<FloatType>(from);
  if (to.isInteger(1))
    return compare(Predicate::ne, x, fromFloat ? x.constant(0) : x.integer(0));
  if (fromFloat)
    return arith::FPToSIOp::create(builder, loc, to, x.value);
  if (isa<FloatType>(to)) {
    Type f32 = builder.getF32Type();
    return from.isInteger(1)
               ? arith::UIToFPOp::create(builder, loc, f32, x.value).getResult()
               : arith::SIToFPOp::create(builder, loc, f32, x.value)
                     .getResult();
  }
  if (from.isInteger(1))
    return arith::ExtUIOp::create(builder, loc, to, x.value);
  return from.isInteger(32)
             ? arith::ExtSIOp::create(builder, loc, to, x.value).getResult()
             : arith::TruncIOp::create(builder, loc, to, x.value).getResult();
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
