//===- Activations.cpp - GELU, and the sigmoid written out ----------------===//

#include "Train/Transforms/Recompose/Match.h"

#include <cmath>
#include <map>

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

namespace {
/// Coefficients of x^i f^j by (i, j), where f is a function's value.
using Polynomial = std::map<std::pair<int, int>, double>;

/// Writes values as polynomials in `x` and `f`, however they are put together.
struct PolynomialReader {
  Value x, f;

  static constexpr int mostDepth = 10, mostDegree = 3;

  std::optional<Polynomial> read(Value value, int depth = 0) const {
    if (value == f)
      return Polynomial{{{0, 1}, 1.0}};
    if (value == x)
      return Polynomial{{{1, 0}, 1.0}};
    if (std::optional<double> number = getNumber(value))
      return Polynomial{{{0, 0}, *number}};
    Operation *op = value.getDefiningOp();
    if (!op || depth == mostDepth)
      return std::nullopt;
    if (auto negated = dyn_cast<NegOp>(op))
      return scale(read(negated.getInput(), depth + 1), -1.0);
    if (auto power = dyn_cast<PowOp>(op)) {
      std::optional<double> exponent = getNumber(power.getRhs());
      if (exponent != 2.0 && exponent != 3.0)
        return std::nullopt;
      std::optional<Polynomial> base = read(power.getLhs(), depth + 1),
                                result = base;
      for (int i = 1; i < *exponent; ++i)
        result = multiply(result, base);
      return result;
    }
    if (auto quotient = dyn_cast<DivOp>(op)) {
      std::optional<double> by = getNumber(quotient.getRhs());
      return by ? scale(read(quotient.getLhs(), depth + 1), 1.0 / *by)
                : std::nullopt;
    }
    if (!isa<AddOp, SubOp, MulOp>(op))
      return std::nullopt;
    std::optional<Polynomial> lhs = read(op->getOperand(0), depth + 1),
                              rhs = read(op->getOperand(1), depth + 1);
    if (isa<MulOp>(op))
      return multiply(lhs, rhs);
    if (isa<SubOp>(op))
      rhs = scale(rhs, -1.0);
    if (!lhs || !rhs)
      return std::nullopt;
    for (auto [term, coefficient] : *rhs)
      (*lhs)[term] += coefficient;
    return lhs;
  }

private:
  static std::optional<Polynomial> scale(std::optional<Polynomial> polynomial,
                                         double factor) {
    if (polynomial)
      for (auto &[term, coefficient] : *polynomial)
        coefficient *= factor;
    return polynomial;
  }
  static std::optional<Polynomial> multiply(std::optional<Polynomial> lhs,
                                            std::optional<Polynomial> rhs) {
    if (!lhs || !rhs)
      return std::nullopt;
    Polynomial product;
    for (auto [a, x] : *lhs)
      for (auto [b, y] : *rhs) {
        if (a.first + b.first > mostDegree || a.second + b.second > 1)
          return std::nullopt;
        product[{a.first + b.first, a.second + b.second}] += x * y;
      }
    return product;
  }
};
} // namespace

/// Are coefficients those that are meant, as exporters round them?
static bool isAbout(const Polynomial &polynomial, const Polynomial &expected) {
  for (auto [term, coefficient] : expected) {
    auto found = polynomial.find(term);
    if (found == polynomial.end() ||
        !train::isAbout(found->second, coefficient))
      return false;
  }
  return llvm::all_of(polynomial, [&](const auto &entry) {
    return expected.count(entry.first) || entry.second == 0.0;
  });
}

static bool hasTerms(const Polynomial &polynomial, const Polynomial &of) {
  return polynomial.size() == of.size() &&
         llvm::all_of(of, [&](const auto &entry) {
           return polynomial.count(entry.first);
         });
}

/// The values that an argument is computed of by ops of polynomials, from
/// itself on.
static void collectSources(Value value, SetVector<Value> &sources,
                           int depth = 0) {
  if (getNumber(value) || !sources.insert(value) ||
      depth == PolynomialReader::mostDepth)
    return;
  Operation *op = value.getDefiningOp();
  if (isa_and_nonnull<AddOp, SubOp, MulOp, DivOp, NegOp, PowOp>(op))
    for (Value operand : op->getOperands())
      collectSources(operand, sources, depth + 1);
}

/// The argument of a GELU's function.
static Polynomial getArgument(bool isTanh) {
  const double slope = std::sqrt(2.0 / M_PI);
  return isTanh ? Polynomial{{{1, 0}, slope}, {{3, 0}, 0.044715 * slope}}
                : Polynomial{{{1, 0}, std::sqrt(0.5)}};
}

/// The op that makes x * (1 + f) / 2, in whatever order.
static Operation *findEnd(Value f, Value x) {
  PolynomialReader reader = {x, f};
  const Polynomial expected = {{{1, 0}, 0.5}, {{1, 1}, 0.5}};
  Value value = f;
  for (int depth = 0; depth < PolynomialReader::mostDepth; ++depth) {
    Operation *user = value.hasOneUse() ? *value.user_begin() : nullptr;
    if (!isa_and_nonnull<AddOp, SubOp, MulOp, DivOp>(user) ||
        user->getResult(0).getType() != f.getType())
      return nullptr;
    value = user->getResult(0);
    std::optional<Polynomial> found = reader.read(value);
    if (!found)
      return nullptr;
    if (isAbout(*found, expected))
      return user;
  }
  return nullptr;
}

namespace {
struct Gelu {
  Value x;
  Operation *end;
};
} // namespace

/// The GELU whose function `op` computes; else why it only looks like one.
static std::optional<Gelu> matchGelu(Operation *op, std::string &why) {
  Value argument = op->getOperand(0), f = op->getResult(0);
  const Polynomial expected = getArgument(isa<TanhOp>(op));
  SetVector<Value> sources;
  collectSources(argument, sources);
  for (Value x : sources) {
    if (x.getType() != f.getType())
      continue;
    std::optional<Polynomial> found = PolynomialReader{x, {}}.read(argument);
    if (!found || !hasTerms(*found, expected))
      continue;
    Operation *end = findEnd(f, x);
    if (!end)
      continue;
    if (isAbout(*found, expected))
      return Gelu{x, end};
    why = "looks like a GELU, but has other numbers";
  }
  return std::nullopt;
}

std::string train::explainActivation(Operation *op) {
  std::string why;
  if (isa<TanhOp, ErfOp>(op))
    matchGelu(op, why);
  return why;
}

namespace {
/// A GELU, from its function on.
template <typename Function> struct MatchGelu : OpRewritePattern<Function> {
  using OpRewritePattern<Function>::OpRewritePattern;

  LogicalResult matchAndRewrite(Function op,
                                PatternRewriter &rewriter) const override {
    std::string why;
    std::optional<Gelu> gelu = matchGelu(op, why);
    if (!gelu)
      return failure();
    rewriter.setInsertionPoint(gelu->end);
    rewriter.replaceOp(gelu->end,
                       createWhole<GeluOp>(rewriter, gelu->end, op.getType(),
                                           gelu->x, isa<TanhOp>(op)));
    return success();
  }
};

/// c / (1 + exp(-x))
template <typename Op> struct MatchSigmoid : OpRewritePattern<Op> {
  using OpRewritePattern<Op>::OpRewritePattern;

  LogicalResult matchAndRewrite(Op op,
                                PatternRewriter &rewriter) const override {
    Operation *quotient = op;
    bool isQuotient = isa<DivOp>(quotient);
    Value divisor = quotient->getOperand(isQuotient ? 1 : 0);
    auto sum = divisor.getDefiningOp<AddOp>();
    if (!sum || divisor.getType() != op.getType())
      return failure();
    Value rest;
    for (Value term : sum->getOperands())
      if (getNumber(term) == 1.0)
        rest = getOther(sum, term);
    auto power = rest ? rest.getDefiningOp<ExpOp>() : ExpOp();
    if (!power || power.getType() != op.getType())
      return failure();
    Value factor = isQuotient ? quotient->getOperand(0) : Value();
    bool hasFactor = factor && getNumber(factor) != 1.0;
    if (power.getInput().getType() != op.getType() ||
        (hasFactor && factor.getType() != op.getType()))
      return failure();
    Value x = getNegated(power.getInput(), rewriter, op);
    Value sigmoid = createFor<SigmoidOp>(rewriter, op, op.getType(), x);
    if (hasFactor)
      sigmoid = createFor<MulOp>(rewriter, op, factor, sigmoid);
    rewriter.replaceOp(op, sigmoid);
    return success();
  }

private:
  static Value getNegated(Value value, PatternRewriter &rewriter,
                          Operation *op) {
    if (auto negated = value.getDefiningOp<NegOp>())
      return negated.getInput();
    if (std::optional<Scaled> scaled = getScaled(value);
        scaled && scaled->factor == -1.0)
      return scaled->value;
    return createFor<NegOp>(rewriter, op, value.getType(), value);
  }
};
} // namespace

void train::addActivationPatterns(RewritePatternSet &patterns) {
  patterns.add<MatchGelu<TanhOp>, MatchGelu<ErfOp>, MatchSigmoid<DivOp>,
               MatchSigmoid<ReciprocalOp>>(patterns.getContext());
}
