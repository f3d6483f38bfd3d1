//===- Attention.cpp - Softmax attention ----------------------------------===//

#include "Train/Transforms/Recompose/Heads.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

/// Scores are so small beside it that their softmax is 0: exporters that avoid
/// infinities write numbers from here down.
static constexpr float kMasking = -1e4f;

namespace {
/// What is added to scores, before they are scaled further: a constant, or
/// where a condition holds something like minus infinity.
struct Bias {
  DenseElementsAttr numbers; ///< broadcasts to the scores
  double scale;
  /// Of a condition: where it is this, keys are not seen.
  std::optional<bool> hides;
};

/// softmax(scale * q k^T + biases) v
struct Parts {
  MatmulOp output;
  SoftmaxOp softmax = {};
  MatmulOp scores = {};
  double scale = 1.0;
  SmallVector<Bias> biases = {};
  bool isCausal = false;
  std::optional<Heads> query = {}, key = {}, value = {};
};
} // namespace

/// The type of scores, [batch, heads, queries, keys], or with batch and heads
/// in one.
static bool isSameScores(ArrayRef<int64_t> a, ArrayRef<int64_t> b) {
  return a.take_back(2) == b.take_back(2);
}

/// Takes an op off the scores that adds a constant or hides keys; false if it
/// is neither.
static bool takeBias(Operation *op, Parts &parts, Value &scores) {
  if (auto add = dyn_cast<AddOp>(op)) {
    for (unsigned i = 0; i < 2; ++i)
      if (DenseElementsAttr numbers = getConstant(op->getOperand(1 - i));
          numbers && numbers.getElementType().isF32() &&
          op->getOperand(i).getType() == add.getType()) {
        parts.biases.push_back({numbers, parts.scale, {}});
        scores = op->getOperand(i);
        return true;
      }
    return false;
  }
  auto select = dyn_cast<SelectOp>(op);
  DenseElementsAttr condition =
      select ? getConstant(select.getCondition()) : DenseElementsAttr();
  if (!condition || !condition.getElementType().isInteger(1))
    return false;
  for (bool hides : {true, false}) {
    Value hidden = hides ? select.getPositive() : select.getOtherwise(),
          seen = hides ? select.getOtherwise() : select.getPositive();
    std::optional<double> number = getNumber(hidden);
    if (number && *number * parts.scale <= kMasking &&
        seen.getType() == select.getType()) {
      parts.biases.push_back({condition, parts.scale, hides});
      scores = seen;
      return true;
    }
  }
  return false;
}

/// From the softmax back to the product of queries and keys.
static bool readScores(Parts &parts, std::string &why) {
  Value scores = parts.softmax.getInput();
  while (true) {
    Operation *op = scores.getDefiningOp();
    if (!op)
      return false;
    if (auto product = dyn_cast<MatmulOp>(op)) {
      parts.scores = product;
      return true;
    }
    if (auto reshape = dyn_cast<ReshapeOp>(op)) {
      if (!isSameScores(shapeOf(reshape.getInput()), shapeOf(reshape)))
        return false;
      scores = reshape.getInput();
    } else if (std::optional<Scaled> scaled = getScaled(scores)) {
      parts.scale *= scaled->factor;
      scores = scaled->value;
    } else if (!takeBias(op, parts, scores)) {
      if (isa<AddOp, SelectOp>(op))
        why = "adds to its scores what is not known while compiling";
      else if (isa<TanhOp>(op))
        why = "caps its scores";
      return false;
    }
  }
}

namespace {
/// Numbers that are added to scores [batch, heads, queries, keys].
struct Plane {
  std::vector<double> numbers;
  std::array<int64_t, 4> strides = {}; ///< 0 where they are repeated
};
} // namespace

static Plane readPlane(const Bias &bias, ArrayRef<int64_t> scores) {
  Plane plane;
  if (bias.hides)
    for (bool hidden : bias.numbers.getValues<bool>())
      plane.numbers.push_back(hidden == *bias.hides ? -HUGE_VAL : 0.0);
  else
    for (float number : bias.numbers.getValues<float>())
      plane.numbers.push_back(bias.scale * number);
  SmallVector<int64_t> shape(bias.numbers.getType().getShape());
  // Where batch and heads were one dimension.
  if (shape.size() == 3 && shape[0] != 1 && shape[0] != scores[1])
    shape = {scores[0], scores[1], shape[1], shape[2]};
  int64_t step = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    if (shape[i] != 1)
      plane.strides[4 - shape.size() + i] = step;
    step *= shape[i];
  }
  return plane;
}

/// Does nothing but the causal order hide keys, or nothing at all?
static bool readMask(Parts &parts, std::string &why) {
  ArrayRef<int64_t> shape = shapeOf(parts.softmax);
  std::vector<Plane> planes;
  SmallVector<int64_t> differ = {1, 1, shape[2], shape[3]};
  for (const Bias &bias : parts.biases) {
    planes.push_back(readPlane(bias, shape));
    for (size_t i = 0; i < 2; ++i)
      if (planes.back().strides[i])
        differ[i] = shape[i];
  }
  bool isPlain = true, isCausal = true;
  for (int64_t b = 0; b < differ[0]; ++b)
    for (int64_t h = 0; h < differ[1]; ++h)
      for (int64_t t = 0; t < differ[2]; ++t)
        for (int64_t s = 0; s < differ[3]; ++s) {
          double bias = 0.0;
          for (const Plane &plane : planes)
            bias += plane.numbers[b * plane.strides[0] + h * plane.strides[1] +
                                  t * plane.strides[2] + s * plane.strides[3]];
          isPlain &= bias == 0.0;
          isCausal &= s <= t ? bias == 0.0 : bias <= kMasking;
        }
  parts.isCausal = !isPlain;
  if (isPlain || isCausal)
    return true;
  why = "hides or weighs keys otherwise than by their order";
  return false;
}

/// The softmax that an operand is; what it makes may be cleared where it is
/// NaN, in rows that see no key.
static SoftmaxOp getSoftmax(Value probabilities) {
  if (auto reshape = probabilities.getDefiningOp<ReshapeOp>();
      reshape && isSameScores(shapeOf(reshape.getInput()), shapeOf(reshape)))
    probabilities = reshape.getInput();
  if (auto select = probabilities.getDefiningOp<SelectOp>()) {
    auto compare = select.getCondition().getDefiningOp<CompareOp>();
    bool isNaN = compare && compare.getLhs() == compare.getRhs();
    if (isNaN && compare.getPredicate() == Predicate::ne &&
        getNumber(select.getPositive()) == 0.0 &&
        compare.getLhs() == select.getOtherwise())
      probabilities = select.getOtherwise();
    else if (isNaN && compare.getPredicate() == Predicate::eq &&
             getNumber(select.getOtherwise()) == 0.0 &&
             compare.getLhs() == select.getPositive())
      probabilities = select.getPositive();
  }
  return probabilities.getDefiningOp<SoftmaxOp>();
}

/// What the dimensions of an operand of a product count: batch and heads, then
/// tokens and features, of which one is contracted.
static SmallVector<Factors> getDims(Value operand, int64_t batch, int64_t heads,
                                    int64_t featureDim) {
  ArrayRef<int64_t> shape = shapeOf(operand);
  auto rank = static_cast<int64_t>(shape.size());
  SmallVector<Factors> dims;
  auto add = [&](std::initializer_list<Factor> factors) {
    Factors &dim = dims.emplace_back();
    for (Factor factor : factors)
      if (factor.size != 1)
        dim.push_back(factor);
  };
  if (rank == 4) {
    add({{Axis::batch, batch}});
    add({{Axis::head, heads}});
  } else {
    add({{Axis::batch, batch}, {Axis::head, heads}});
  }
  for (int64_t dim = rank - 2; dim < rank; ++dim)
    add({{dim == featureDim ? Axis::feature : Axis::token, shape[dim]}});
  return dims;
}

/// Where queries, keys and values come from.
static bool readHeads(Parts &parts, std::string &why) {
  MatmulOp scores = parts.scores, output = parts.output;
  ArrayRef<int64_t> shape = shapeOf(parts.softmax);
  auto rank = static_cast<int64_t>(shapeOf(output.getRhs()).size());
  auto read = [&](Value operand, int64_t featureDim, bool scales) {
    Heads heads(operand, getDims(operand, shape[0], shape[1], featureDim));
    heads.goBack(scales);
    return heads;
  };
  parts.query = read(scores.getLhs(), scores.getLhsContractingDims().front(),
                     /*scales=*/true);
  parts.key = read(scores.getRhs(), scores.getRhsContractingDims().front(),
                   /*scales=*/true);
  parts.value = read(output.getRhs(),
                     2 * rank - 3 - output.getRhsContractingDims().front(),
                     /*scales=*/false);
  if (parts.query->countHeads() == shape[1] &&
      parts.key->countHeads() == parts.value->countHeads())
    return true;
  why = "has keys and values of other numbers of heads";
  return false;
}

/// The attention that a product makes; else why it only looks like one.
static std::optional<Parts> matchAttention(Operation *op, std::string &why) {
  auto output = dyn_cast<MatmulOp>(op);
  if (!output)
    return std::nullopt;
  Parts parts = {output};
  parts.softmax = getSoftmax(output.getLhs());
  auto rank = static_cast<int64_t>(shapeOf(output.getLhs()).size());
  if (!parts.softmax || output.getBatch() + 2 != static_cast<uint64_t>(rank) ||
      output.getLhsContractingDims() != SmallVector<int64_t>{rank - 1} ||
      shapeOf(parts.softmax).size() != 4)
    return std::nullopt;
  auto leave = [&] {
    if (!why.empty())
      why = "attention stays in parts: it " + why;
    return std::nullopt;
  };
  if (!readScores(parts, why))
    return leave();
  MatmulOp scores = parts.scores;
  if (scores.getBatch() + 2 != shapeOf(scores).size() ||
      scores.getLhsContractingDims().size() != 1)
    return std::nullopt;
  if (!readMask(parts, why) || !readHeads(parts, why))
    return leave();
  return parts;
}

std::string train::explainAttention(Operation *op) {
  std::string why;
  matchAttention(op, why);
  return why;
}

/// Rounded as ours is, where it is the usual one.
static float roundScale(double scale, int64_t features) {
  double usual = 1.0 / std::sqrt(static_cast<double>(features));
  return static_cast<float>(isAbout(scale, usual) ? usual : scale);
}

namespace {
struct MatchAttention : OpRewritePattern<MatmulOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(MatmulOp op,
                                PatternRewriter &rewriter) const override {
    std::string why;
    std::optional<Parts> parts = matchAttention(op, why);
    if (!parts)
      return failure();
    ArrayRef<int64_t> shape = shapeOf(parts->softmax);
    int64_t batch = shape[0], heads = shape[1], tokens = shape[2];
    Value query = parts->query->merge(rewriter, op),
          key = parts->key->merge(rewriter, op),
          value = parts->value->merge(rewriter, op);
    auto type = cast<RankedTensorType>(query.getType());
    auto attention = createFor<AttentionOp>(
        rewriter, op,
        TypeRange{type.clone({batch, tokens, heads * shapeOf(op).back()}),
                  RankedTensorType::get({batch, heads, tokens},
                                        rewriter.getF32Type())},
        query, key, value, heads, parts->key->countHeads(),
        llvm::APFloat(roundScale(parts->scale * parts->query->getScale() *
                                     parts->key->getScale(),
                                 shapeOf(query).back() / heads)),
        parts->isCausal);
    Value output = splitHeads(rewriter, op, attention.getOutput(), heads);
    if (output.getType() != op.getType())
      output = createFor<ReshapeOp>(rewriter, op, op.getType(), output);
    rewriter.replaceOp(op, output);
    return success();
  }
};
} // namespace

namespace {
/// Attention of an exporter's that was given repeated keys and values, or
/// scaled queries.
struct SimplifyAttention : OpRewritePattern<AttentionOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(AttentionOp op,
                                PatternRewriter &rewriter) const override {
    auto read = [&](Value operand, int64_t heads, bool scales) {
      ArrayRef<int64_t> shape = shapeOf(operand);
      SmallVector<Factors> dims(3);
      auto add = [](Factors &dim, Axis axis, int64_t size) {
        if (size != 1)
          dim.push_back({axis, size});
      };
      add(dims[0], Axis::batch, shape[0]);
      add(dims[1], Axis::token, shape[1]);
      add(dims[2], Axis::head, heads);
      add(dims[2], Axis::feature, shape[2] / heads);
      Heads read(operand, dims);
      read.goBack(scales);
      return read;
    };
    auto heads = static_cast<int64_t>(op.getHeads()),
         kvHeads = static_cast<int64_t>(op.getKvHeads());
    Heads query = read(op.getQuery(), heads, /*scales=*/true),
          key = read(op.getKey(), kvHeads, /*scales=*/true),
          value = read(op.getValue(), kvHeads, /*scales=*/false);
    double scale = query.getScale() * key.getScale();
    if (query.countHeads() != heads || key.countHeads() != value.countHeads() ||
        (scale == 1.0 && key.countHeads() == kvHeads))
      return failure();
    Value q = query.merge(rewriter, op), k = key.merge(rewriter, op),
          v = value.merge(rewriter, op);
    rewriter.modifyOpInPlace(op, [&] {
      op->setOperands({q, k, v});
      op.setKvHeads(key.countHeads());
      op.setScale(
          llvm::APFloat(roundScale(op.getScale().convertToDouble() * scale,
                                   shapeOf(op.getQuery()).back() / heads)));
    });
    return success();
  }
};
} // namespace

void train::addAttentionPatterns(RewritePatternSet &patterns) {
  patterns.add<MatchAttention, SimplifyAttention>(patterns.getContext());
}
