//===- TrainVJPElementwise.cpp - VJPs of element-wise ops -----------------===//
//
// Where an operand and the result would both do, the formulas use the result:
// the op that follows saves it anyway.
//
// A formula builds ops in the order in which C++ evaluates it: terms that build
// are named, since the operands of one operator have no order.
//
//===----------------------------------------------------------------------===//

#include "Train/IR/TensorExpr.h"
#include "Train/IR/TrainVJP.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

namespace {
/// Names that a formula needs: operands x (and b), result y, cotangent dy.
struct Context {
  OpBuilder &builder;
  Operation *op;
  ArrayRef<bool> needed;
  TensorExpr x, y, dy;

  Context(OpBuilder &builder, Operation *op, ValueRange cotangents,
          ArrayRef<bool> needed)
      : builder(builder), op(op), needed(needed), x(expr(op->getOperand(0))),
        y(expr(op->getResult(0))), dy(expr(cotangents[0])) {}

  TensorExpr expr(Value value) const { return {builder, op->getLoc(), value}; }

  /// The gradient of operand i, which `formula` builds if it is needed.
  template <typename Formula> Value gradient(unsigned i, Formula formula) {
    if (!needed[i])
      return {};
    return reduceToOperand(builder, formula(), op->getOperand(i));
  }
};
} // namespace

#define UNARY_VJP(Op, formula)                                                 \
  SmallVector<Value> Op::buildVJP(OpBuilder &builder, ValueRange cotangents,   \
                                  ArrayRef<bool> needed) {                     \
    Context c(builder, *this, cotangents, needed);                             \
    [[maybe_unused]] TensorExpr x = c.x, y = c.y, dy = c.dy;                   \
    return {c.gradient(0, [&]() -> TensorExpr { return formula; })};           \
  }
#define BINARY_VJP(Op, formulaX, formulaB)                                     \
  SmallVector<Value> Op::buildVJP(OpBuilder &builder, ValueRange cotangents,   \
                                  ArrayRef<bool> needed) {                     \
    Context c(builder, *this, cotangents, needed);                             \
    [[maybe_unused]] TensorExpr x = c.x, y = c.y, dy = c.dy;                   \
    [[maybe_unused]] TensorExpr b = c.expr(getRhs());                          \
    Value dx = c.gradient(0, [&]() -> TensorExpr { return formulaX; });        \
    Value db = c.gradient(1, [&]() -> TensorExpr { return formulaB; });        \
    return {dx, db};                                                           \
  }

// 2/sqrt(pi), the derivative of erf at 0.
static constexpr float kErfSlope = 1.1283791670955126f;

UNARY_VJP(CastOp, dy)
UNARY_VJP(NegOp, -dy)
UNARY_VJP(AbsOp, (dy * x.sign()))
UNARY_VJP(ExpOp, (dy * y))
UNARY_VJP(LogOp, (dy / x))
UNARY_VJP(SqrtOp, (dy * 0.5f / y))
UNARY_VJP(RsqrtOp, (dy * (y * y * y) * -0.5f))
UNARY_VJP(ReciprocalOp, (-(dy * (y * y))))
UNARY_VJP(TanhOp, (dy * (1.0f - y * y)))
UNARY_VJP(SigmoidOp, (dy * (y * (1.0f - y))))
UNARY_VJP(ErfOp, (dy * ((-(x * x)).exp() * kErfSlope)))
UNARY_VJP(SinOp, (dy * x.cos()))
UNARY_VJP(CosOp, (-(dy * x.sin())))
UNARY_VJP(ReluOp, (dy * y.step()))

BINARY_VJP(AddOp, dy, dy)
BINARY_VJP(SubOp, dy, -dy)
BINARY_VJP(MulOp, (dy * b), (dy * x))
BINARY_VJP(DivOp, (dy / b), (-(dy * y / b)))

/// All of it where an operand alone is the result, half where both are.
static TensorExpr ofExtreme(TensorExpr x, Predicate isNot, TensorExpr other,
                            TensorExpr dy) {
  TensorExpr shared = x.compare(Predicate::eq, other).select(dy * 0.5f, dy);
  return x.compare(isNot, other).select(dy.constant(0), shared);
}
BINARY_VJP(MinimumOp, ofExtreme(x, Predicate::gt, b, dy),
           ofExtreme(b, Predicate::gt, x, dy))
BINARY_VJP(MaximumOp, ofExtreme(x, Predicate::lt, b, dy),
           ofExtreme(b, Predicate::lt, x, dy))

// The derivative of a step is zero wherever it exists.
#define NO_VJP(Op)                                                             \
  SmallVector<Value> Op::buildVJP(OpBuilder &, ValueRange, ArrayRef<bool>) {   \
    return {Value()};                                                          \
  }
NO_VJP(StepOp)
NO_VJP(SignOp)
NO_VJP(FloorOp)
NO_VJP(CeilOp)
NO_VJP(RoundOp)

/// n * x^(n-1) for a constant n, without pow where a product will do.
static TensorExpr powDerivative(TensorExpr x, float n) {
  if (n == 2.0f)
    return x * 2.0f;
  if (n == 3.0f)
    return x * x * 3.0f;
  return x.pow(x.constant(n - 1.0f)) * n;
}

SmallVector<Value> PowOp::buildVJP(OpBuilder &builder, ValueRange cotangents,
                                   ArrayRef<bool> needed) {
  Context c(builder, *this, cotangents, needed);
  TensorExpr x = c.x, y = c.y, dy = c.dy, n = c.expr(getRhs());
  DenseFPElementsAttr constant;
  if (matchPattern(getRhs(), m_Constant(&constant)) && constant.isSplat()) {
    float exponent = constant.getSplatValue<APFloat>().convertToFloat();
    if (exponent == 0.0f)
      return {Value(), Value()};
    return {c.gradient(0, [&] { return dy * powDerivative(x, exponent); }),
            Value()};
  }
  // Where n is 0 the exponent n - 1 becomes 0, lest 0 * 0^-1 give NaN.
  Value dx =
      c.gradient(0, [&] { return dy * (n * x.pow(n - n.abs().step())); });
  // log x, or 0 where x is not positive and there is no derivative by n.
  Value dn = c.gradient(1, [&] {
    TensorExpr kept = x.relu(), replaced = 1.0f - x.step();
    return dy * (y * (kept + replaced).log());
  });
  return {dx, dn};
}

/// Nothing flows into the condition, a step function of itself.
SmallVector<Value> SelectOp::buildVJP(OpBuilder &builder, ValueRange cotangents,
                                      ArrayRef<bool> needed) {
  Context c(builder, *this, cotangents, needed);
  TensorExpr zero = c.dy.constant(0), condition = c.x;
  Value positive = c.gradient(1, [&] { return condition.select(c.dy, zero); });
  Value otherwise = c.gradient(2, [&] { return condition.select(zero, c.dy); });
  return {Value(), positive, otherwise};
}

SmallVector<Value> GeluOp::buildVJP(OpBuilder &builder, ValueRange cotangents,
                                    ArrayRef<bool> needed) {
  if (!needed[0])
    return {Value()};
  return {GeluVJPOp::create(builder, getLoc(), getInput().getType(), getInput(),
                            cotangents[0], getTanh())};
}
