//===- Attention.cpp - Softmax attention ----------------------------------===//

#include "Train/IR/Masks.h"
#include "Train/Transforms/Recompose/Heads.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

namespace {
/// What is added to scores [batch, heads, queries, keys], before they are
/// scaled further: numbers, or `hidden` where a condition is `hides`.
struct Bias {
  std::shared_ptr<const Plane> plane; ///< broadcasts to the scores
  double scale;
  std::optional<bool> hides = {};
  double hidden = 0.0;

  double at(int64_t index) const {
    double number = plane->numbers[index];
    if (hides)
      return (number > 0) == *hides ? hidden : 0.0;
    return scale * number;
  }
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

/// Is it the shape of the scores [batch, heads, queries, keys], or with batch
/// and heads in one?
static bool isOfScores(ArrayRef<int64_t> shape, ArrayRef<int64_t> scores) {
  return shape == scores ||
         (shape.size() == 3 && shape[0] == scores[0] * scores[1] &&
          shape.take_back(2) == scores.take_back(2));
}

/// Takes an op off the scores that adds known numbers or hides keys; false if
/// it is neither.
static bool takeBias(Operation *op, MaskReader &masks, Parts &parts,
                     Value &scores) {
  Value rest;
  Bias bias = {nullptr, parts.scale};
  if (isa<AddOp>(op)) {
    for (unsigned i = 0; i < 2 && !bias.plane; ++i) {
      rest = op->getOperand(i);
      bias.plane = masks.read(op->getOperand(1 - i));
    }
  } else if (auto select = dyn_cast<SelectOp>(op)) {
    for (bool hides : {true, false}) {
      Value hidden = hides ? select.getPositive() : select.getOtherwise();
      std::optional<double> number = getNumber(hidden);
      if (!number || !(*number * parts.scale <= kMasking))
        continue;
      rest = hides ? select.getOtherwise() : select.getPositive();
      bias.plane = masks.read(select.getCondition());
      bias.hides = hides;
      bias.hidden = *number * parts.scale;
      break;
    }
  }
  if (!bias.plane || rest.getType() != op->getResult(0).getType())
    return false;
  parts.biases.push_back(std::move(bias));
  scores = rest;
  return true;
}

/// From the softmax back to the product of queries and keys.
static bool readScores(Parts &parts, MaskReader &masks, std::string &why) {
  Value scores = parts.softmax.getInput();
  while (true) {
    Operation *op = scores.getDefiningOp();
    if (!op)
      return false;
    if (!isOfScores(shapeOf(scores), shapeOf(parts.softmax)))
      return false;
    if (auto product = dyn_cast<MatmulOp>(op)) {
      parts.scores = product;
      return true;
    }
    if (auto reshape = dyn_cast<ReshapeOp>(op)) {
      scores = reshape.getInput();
    } else if (std::optional<Scaled> scaled = getScaled(scores)) {
      parts.scale *= scaled->factor;
      scores = scaled->value;
      if (!std::isfinite(parts.scale))
        return false;
    } else if (!takeBias(op, masks, parts, scores)) {
      if (isa<AddOp, SelectOp>(op))
        why = "adds to its scores what is not known while compiling";
      else if (isa<TanhOp>(op))
        why = "caps its scores";
      return false;
    }
  }
}

/// A plane's strides for scores [batch, heads, queries, keys].
static std::array<int64_t, 4> getStrides(const Plane &plane,
                                         ArrayRef<int64_t> scores) {
  std::array<int64_t, 4> strides = {};
  size_t rank = plane.shape.size();
  for (size_t i = 0; i < rank; ++i)
    strides[4 - rank + i] = plane.strides[i];
  // Where batch and heads were one dimension.
  if (rank == 3 && plane.shape[0] != 1 && plane.shape[0] != scores[1]) {
    strides[0] = plane.strides[0] * scores[1];
    strides[1] = plane.strides[0];
  }
  return strides;
}

/// Does nothing but the causal order hide keys, or nothing at all?
static bool readMask(Parts &parts, std::string &why) {
  ArrayRef<int64_t> shape = shapeOf(parts.softmax);
  SmallVector<std::array<int64_t, 4>> strides;
  SmallVector<int64_t> differ = {1, 1, shape[2], shape[3]};
  for (const Bias &bias : parts.biases) {
    strides.push_back(getStrides(*bias.plane, shape));
    for (size_t i = 0; i < 2; ++i)
      if (strides.back()[i])
        differ[i] = shape[i];
  }
  bool isPlain = true, isCausal = true;
  for (int64_t b = 0; b < differ[0]; ++b)
    for (int64_t h = 0; h < differ[1]; ++h)
      for (int64_t t = 0; t < differ[2]; ++t)
        for (int64_t s = 0; s < differ[3]; ++s) {
          double sum = 0.0;
          for (auto [bias, by] : llvm::zip(parts.biases, strides))
            sum += bias.at(b * by[0] + h * by[1] + t * by[2] + s * by[3]);
          isPlain &= sum == 0.0;
          isCausal &= s <= t ? sum == 0.0 : sum <= kMasking;
          if (!isPlain && !isCausal) {
            why = "hides or weighs keys otherwise than by their order";
            return false;
          }
        }
  parts.isCausal = !isPlain;
  return true;
}

/// What rows of probabilities are cleared where they are NaN, or where a known
/// condition says that they see no key; null if it is neither, or there are
/// such rows.
static Value getUncleared(SelectOp select, MaskReader &masks) {
  Value positive = select.getPositive(), otherwise = select.getOtherwise();
  auto compares = select.getCondition().getDefiningOp<CompareOp>();
  if (compares && compares.getLhs() == compares.getRhs()) {
    bool isNaN = compares.getPredicate() == Predicate::ne;
    if (!isNaN && compares.getPredicate() != Predicate::eq)
      return {};
    Value kept = isNaN ? otherwise : positive;
    return getNumber(isNaN ? positive : otherwise) == 0.0 &&
                   compares.getLhs() == kept
               ? kept
               : Value();
  }
  if (getNumber(otherwise) != 0.0)
    return {};
  std::shared_ptr<const Plane> sees = masks.read(select.getCondition());
  bool hasBlind = !sees || llvm::any_of(sees->numbers, [](float number) {
    return !(number > 0);
  });
  return hasBlind ? Value() : positive;
}

/// The softmax that an operand is, but for rows that see no key.
static SoftmaxOp getSoftmax(Value probabilities, MaskReader &masks) {
  if (auto reshape = probabilities.getDefiningOp<ReshapeOp>();
      reshape && shapeOf(reshape.getInput()).size() == 4 &&
      isOfScores(shapeOf(reshape), shapeOf(reshape.getInput())))
    probabilities = reshape.getInput();
  if (auto select = probabilities.getDefiningOp<SelectOp>())
    if (Value kept = getUncleared(select, masks);
        kept && kept.getType() == select.getType())
      probabilities = kept;
  return probabilities.getDefiningOp<SoftmaxOp>();
}

/// What the dimensions of an operand of a product count: batch and heads, then
/// tokens and features, of which one is contracted.
static SmallVector<Factors> getDims(Value operand, int64_t batch, int64_t heads,
                                    int64_t featureDim) {
  ArrayRef<int64_t> shape = shapeOf(operand);
  auto rank = static_cast<int64_t>(shape.size());
  SmallVector<Factors> dims;
  if (rank == 4)
    dims = {{{Axis::batch, batch}}, {{Axis::head, heads}}};
  else
    dims = {{{Axis::batch, batch}, {Axis::head, heads}}};
  for (int64_t dim = rank - 2; dim < rank; ++dim)
    dims.push_back(
        {{dim == featureDim ? Axis::feature : Axis::token, shape[dim]}});
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
  if (parts.query->countHeads() != shape[1] ||
      parts.key->countHeads() != parts.value->countHeads())
    why = "has keys and values of other numbers of heads";
  else if (shapeOf(output).back() !=
           shapeOf(scores.getLhs())[scores.getLhsContractingDims().front()])
    why = "has heads of values of another width than those of keys";
  return why.empty();
}

/// The attention that a product makes; else why it only looks like one.
static std::optional<Parts> matchAttention(Operation *op, MaskReader &masks,
                                           std::string &why) {
  auto output = dyn_cast<MatmulOp>(op);
  if (!output)
    return std::nullopt;
  Parts parts = {output};
  parts.softmax = getSoftmax(output.getLhs(), masks);
  auto rank = static_cast<int64_t>(shapeOf(output.getLhs()).size());
  if (!parts.softmax || rank > 4 ||
      output.getBatch() + 2 != static_cast<uint64_t>(rank) ||
      output.getLhsContractingDims() != SmallVector<int64_t>{rank - 1})
    return std::nullopt;
  if (shapeOf(parts.softmax).size() == 3)
    why = "attention stays in parts: it does not tell heads from sequences";
  if (shapeOf(parts.softmax).size() != 4 ||
      llvm::is_contained(shapeOf(parts.softmax), 0) ||
      llvm::is_contained(shapeOf(output.getRhs()), 0))
    return std::nullopt;
  auto leave = [&] {
    if (!why.empty())
      why = "attention stays in parts: it " + why;
    return std::nullopt;
  };
  if (!readScores(parts, masks, why))
    return leave();
  MatmulOp scores = parts.scores;
  auto hasRank = [](Value operand, uint64_t batch) {
    return shapeOf(operand).size() == batch + 2;
  };
  Type element = getElementTypeOrSelf(output.getType());
  auto isOfType = [&](Value value) {
    return getElementTypeOrSelf(value) == element;
  };
  if (!hasRank(scores, scores.getBatch()) ||
      !hasRank(scores.getLhs(), scores.getBatch()) ||
      !hasRank(scores.getRhs(), scores.getBatch()) ||
      !hasRank(output.getRhs(), output.getBatch()) ||
      scores.getLhsContractingDims().size() != 1 ||
      !llvm::all_of(scores->getOperands(), isOfType) ||
      !llvm::all_of(output->getOperands(), isOfType) || !isOfType(scores) ||
      !isOfType(parts.softmax.getInput()))
    return std::nullopt;
  if (!readMask(parts, why) || !readHeads(parts, why))
    return leave();
  return parts;
}

std::string train::explainAttention(Operation *op, MaskReader &masks) {
  std::string why;
  matchAttention(op, masks, why);
  return why;
}

/// Rounded as ours is, where it is the usual one.
static float roundScale(double scale, int64_t features) {
  double usual = 1.0 / std::sqrt(static_cast<double>(features));
  return static_cast<float>(isAbout(scale, usual) ? usual : scale);
}

/// Puts the op in the place of the product that makes its value.
static void rewrite(Parts &parts, RewriterBase &rewriter) {
  MatmulOp op = parts.output;
  rewriter.setInsertionPoint(op);
  ArrayRef<int64_t> shape = shapeOf(parts.softmax);
  int64_t batch = shape[0], heads = shape[1], tokens = shape[2];
  Value query = parts.query->merge(rewriter, op),
        key = parts.key->merge(rewriter, op),
        value = parts.value->merge(rewriter, op);
  auto type = cast<RankedTensorType>(query.getType());
  double scale = parts.scale * parts.query->getScale() * parts.key->getScale();
  auto attention = createWhole<AttentionOp>(
      rewriter, op,
      TypeRange{
          type.clone({batch, tokens, heads * shapeOf(op).back()}),
          RankedTensorType::get({batch, heads, tokens}, rewriter.getF32Type())},
      query, key, value, heads, parts.key->countHeads(),
      llvm::APFloat(roundScale(scale, shapeOf(query).back() / heads)),
      parts.isCausal);
  Value output = splitHeads(rewriter, op, attention.getOutput(), heads);
  if (output.getType() != op.getType())
    output = createFor<ReshapeOp>(rewriter, op, op.getType(), output);
  rewriter.replaceOp(op, output);
}

void train::recomposeAttention(Block &block, MaskReader &masks) {
  std::vector<Parts> found;
  for (auto product : block.getOps<MatmulOp>()) {
    std::string why;
    if (std::optional<Parts> parts = matchAttention(product, masks, why))
      found.push_back(std::move(*parts));
  }
  // What is found may be made by what was found before.
  IRRewriter rewriter(block.getParentOp()->getContext());
  for (Parts &parts : llvm::reverse(found))
    rewrite(parts, rewriter);
  masks.forget();
}

namespace {
/// Attention of an exporter's that was given repeated keys and values, or
/// scaled queries.
struct SimplifyAttention : OpRewritePattern<AttentionOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(AttentionOp op,
                                PatternRewriter &rewriter) const override {
    auto read = [&](Value operand, int64_t heads, bool scales) {
      ArrayRef<int64_t> shape = shapeOf(operand);
      Heads read(operand,
                 {{{Axis::batch, shape[0]}},
                  {{Axis::token, shape[1]}},
                  {{Axis::head, heads}, {Axis::feature, shape[2] / heads}}});
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
  patterns.add<SimplifyAttention>(patterns.getContext());
}
