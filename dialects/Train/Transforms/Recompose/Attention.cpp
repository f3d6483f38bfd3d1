//===- Attention.cpp - Softmax attention ----------------------------------===//

#include "Train/Transforms/Recompose/Scores.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

/// The probabilities of which a condition chooses rows, the others being 0,
/// and that condition; null where it only says that no row is NaN or blind,
/// which the whole does not need.
static Value getUncleared(SelectOp select, MaskReader &masks,
                          SmallVector<Value> &keeps) {
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
  ArrayRef<int64_t> shape = shapeOf(select.getCondition());
  if (getNumber(otherwise) != 0.0 || shapeOf(select).size() != 4 ||
      (!shape.empty() && shape.back() != 1))
    return {};
  std::shared_ptr<const Plane> sees = masks.read(select.getCondition());
  bool hasBlind = !sees || llvm::any_of(sees->numbers, [](float number) {
    return !(number > 0);
  });
  if (hasBlind)
    keeps.push_back(select.getCondition());
  return positive;
}

/// The softmax that an operand is, but for rows that see no key.
static SoftmaxOp getSoftmax(Value probabilities, MaskReader &masks,
                            SmallVector<Value> &keeps) {
  if (auto reshape = probabilities.getDefiningOp<ReshapeOp>();
      reshape && shapeOf(reshape.getInput()).size() == 4 &&
      isOfScores(shapeOf(reshape), shapeOf(reshape.getInput())))
    probabilities = reshape.getInput();
  while (auto select = probabilities.getDefiningOp<SelectOp>()) {
    Value kept = getUncleared(select, masks, keeps);
    if (!kept || kept.getType() != select.getType())
      break;
    probabilities = kept;
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
  parts.softmax = getSoftmax(output.getLhs(), masks, parts.keeps);
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
  if (!readHeads(parts, why) || !readBiases(parts, masks, why))
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
  Value bias = makeBias(parts, rewriter);
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
      query, key, value, bias, parts.lengths, heads, parts.key->countHeads(),
      llvm::APFloat(roundScale(scale, shapeOf(query).back() / heads)),
      parts.order.isCausal,
      parts.order.window ? rewriter.getI64IntegerAttr(parts.order.window)
                         : IntegerAttr(),
      parts.softcap != 0.0 ? rewriter.getF32FloatAttr(float(parts.softcap))
                           : FloatAttr());
  Value output = splitHeads(rewriter, op, attention.getOutput(), heads);
  for (Value keeps : parts.keeps)
    output = createFor<SelectOp>(rewriter, op, output.getType(), keeps, output,
                                 scalarConstant(rewriter, op.getLoc(), 0.0f));
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
      op.getQueryMutable().assign(q);
      op.getKeyMutable().assign(k);
      op.getValueMutable().assign(v);
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
