//===- Norms.cpp - Layer and root-mean-square norms -----------------------===//

#include "Train/Transforms/Recompose/Match.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

namespace {
/// A mean along dimensions that stay, of size 1.
struct Mean {
  Value of;
  ArrayRef<int64_t> axes;

  bool isAlongLast() const {
    return axes.size() == 1 &&
           axes.front() == static_cast<int64_t>(shapeOf(of).size()) - 1;
  }
};
} // namespace

static std::optional<Mean> getMean(Value value) {
  std::optional<Scaled> scaled = getScaled(value);
  auto sum =
      scaled ? scaled->value.getDefiningOp<ReduceSumOp>() : ReduceSumOp();
  if (!sum || !sum.getKeepdims())
    return std::nullopt;
  double count = 1.0;
  for (int64_t axis : sum.getAxes())
    count *= shapeOf(sum.getInput())[axis];
  if (!isAbout(scaled->factor * count, 1.0))
    return std::nullopt;
  return Mean{sum.getInput(), sum.getAxes()};
}

/// What a value is the square of.
static Value getSquared(Value value) {
  if (auto product = value.getDefiningOp<MulOp>())
    return product.getLhs() == product.getRhs() ? product.getLhs() : Value();
  auto power = value.getDefiningOp<PowOp>();
  return power && getNumber(power.getRhs()) == 2.0 ? power.getLhs() : Value();
}

/// What a value is the square root of.
static Value getRootOf(Value value) {
  if (auto root = value.getDefiningOp<SqrtOp>())
    return root.getInput();
  auto power = value.getDefiningOp<PowOp>();
  return power && getNumber(power.getRhs()) == 0.5 ? power.getLhs() : Value();
}

/// What a value is the reciprocal square root of.
static Value getReciprocalRootOf(Value value) {
  if (auto root = value.getDefiningOp<RsqrtOp>())
    return root.getInput();
  if (auto reciprocal = value.getDefiningOp<ReciprocalOp>())
    return getRootOf(reciprocal.getInput());
  if (auto quotient = value.getDefiningOp<DivOp>())
    return getNumber(quotient.getLhs()) == 1.0 ? getRootOf(quotient.getRhs())
                                               : Value();
  auto power = value.getDefiningOp<PowOp>();
  return power && getNumber(power.getRhs()) == -0.5 ? power.getLhs() : Value();
}

/// What a product or quotient divides by the root of what; null if it does not.
static std::pair<Value, Value> getNormalised(Operation *op) {
  Value lhs = op->getOperand(0), rhs = op->getOperand(1);
  if (isa<DivOp>(op))
    return {lhs, getRootOf(rhs)};
  if (Value under = getReciprocalRootOf(rhs))
    return {lhs, under};
  return {rhs, getReciprocalRootOf(lhs)};
}

/// Is a mean of squares somewhere in what makes `under`?
static bool looksLikeNorm(Value under, int depth = 4) {
  if (std::optional<Mean> mean = getMean(under))
    return getSquared(mean->of) != nullptr;
  Operation *op = under.getDefiningOp();
  return depth && isa_and_nonnull<AddOp, MulOp, DivOp, SqrtOp>(op) &&
         llvm::any_of(op->getOperands(), [&](Value operand) {
           return looksLikeNorm(operand, depth - 1);
         });
}

namespace {
/// What is divided by the root of its mean square along the last dimension.
struct Normalised {
  Value value;
  double epsilon;
};
} // namespace

/// Of a product or quotient; else why it only looks like one.
static std::optional<Normalised> matchNormalised(Operation *op,
                                                 std::string &why) {
  auto [value, under] = getNormalised(op);
  if (!under || value.getType() != op->getResult(0).getType())
    return std::nullopt;
  auto leave = [&, under = under](const char *reason) {
    if (looksLikeNorm(under))
      why = std::string("looks like a norm, but ") + reason;
    return std::nullopt;
  };
  // mean(value^2) + epsilon
  auto sum = under.getDefiningOp<AddOp>();
  std::optional<double> epsilon = sum ? getNumber(sum.getRhs()) : std::nullopt;
  std::optional<Mean> square = getMean(sum ? sum.getLhs() : under);
  if (!square || !epsilon || *epsilon <= 0)
    return leave("what is under its root is not the mean of squares and one "
                 "epsilon above zero");
  if (getSquared(square->of) != value)
    return leave("it divides another value than it squares");
  if (!square->isAlongLast())
    return leave("its mean is not along the last dimension alone");
  return Normalised{value, *epsilon};
}

std::string train::explainNorm(Operation *op) {
  std::string why;
  if (isa<MulOp, DivOp>(op))
    matchNormalised(op, why);
  return why;
}

namespace {
/// A norm, from the op on that divides by the root.
template <typename Op> struct MatchNorm : OpRewritePattern<Op> {
  using OpRewritePattern<Op>::OpRewritePattern;

  LogicalResult matchAndRewrite(Op op,
                                PatternRewriter &rewriter) const override {
    std::string why;
    std::optional<Normalised> norm = matchNormalised(op, why);
    if (!norm)
      return failure();
    rewrite(op, norm->value, norm->epsilon, rewriter);
    return success();
  }

private:
  /// The op that scales, or shifts, each row alike, and by what; null if the
  /// value goes elsewhere too.
  template <typename User> static std::pair<User, Value> getRowOp(Value value) {
    User user = getOnlyUser<User>(value);
    Value row = user ? getOther(user, value) : Value();
    if (!row || user.getType() != value.getType() ||
        shapeOf(row) != shapeOf(value).take_back(1))
      return {};
    return {user, row};
  }

  static Value createRow(PatternRewriter &rewriter, Operation *op, Value value,
                         float number) {
    auto type = cast<RankedTensorType>(value.getType());
    auto row = RankedTensorType::get(type.getShape().take_back(1),
                                     type.getElementType());
    return arith::ConstantOp::create(
        rewriter, op->getLoc(), row,
        DenseElementsAttr::get(
            row, rewriter.getFloatAttr(row.getElementType(), number)));
  }

  static void rewrite(Op op, Value value, double epsilon,
                      PatternRewriter &rewriter) {
    Operation *last = op;
    auto [scale, weight] = getRowOp<MulOp>(op);
    if (scale)
      last = scale;
    auto centred = value.getDefiningOp<SubOp>();
    std::optional<Mean> mean =
        centred ? getMean(centred.getRhs()) : std::nullopt;
    bool isLayerNorm = mean && mean->of == centred.getLhs() &&
                       mean->isAlongLast() &&
                       mean->of.getType() == value.getType();
    Value bias;
    if (isLayerNorm) {
      auto [shift, row] = getRowOp<AddOp>(last->getResult(0));
      if (shift)
        last = shift, bias = row;
    }
    rewriter.setInsertionPoint(last);
    if (!weight)
      weight = createRow(rewriter, op, value, 1.0f);
    Value norm;
    if (isLayerNorm) {
      if (!bias)
        bias = createRow(rewriter, op, value, 0.0f);
      norm = createWhole<LayerNormOp>(rewriter, last, centred.getLhs(), weight,
                                      bias, static_cast<float>(epsilon))
                 .getOutput();
    } else {
      norm = createWhole<RMSNormOp>(rewriter, last, value, weight,
                                    static_cast<float>(epsilon))
                 .getOutput();
    }
    rewriter.replaceOp(last, norm);
  }
};
} // namespace

void train::addNormPatterns(RewritePatternSet &patterns) {
  patterns.add<MatchNorm<MulOp>, MatchNorm<DivOp>>(patterns.getContext());
}
