//===- Rotary.cpp - Rotary position embedding -----------------------------===//

#include "Train/Transforms/Recompose/Heads.h"
#include "Train/Transforms/Recompose/LinearMap.h"

#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

namespace {
struct Rotation {
  Value source;
  /// [batch, heads, tokens, features], or tokens before heads.
  bool tokensFirst;
  int64_t tokens, rotated;
  bool isInterleaved;
  std::vector<PerToken> cos, sin; ///< by pair
};
} // namespace

/// The first and the second feature of a pair.
static std::pair<int64_t, int64_t> getPair(int64_t pair, int64_t rotated,
                                           bool isInterleaved) {
  if (isInterleaved)
    return {2 * pair, 2 * pair + 1};
  return {pair, pair + rotated / 2};
}

/// Is it so many numbers, or one that stands for them, all of them `sign` times
/// those of `like`?
static bool isEqual(const PerToken &numbers, const PerToken &like, float sign) {
  for (size_t t = 0; t < std::max(numbers.size(), like.size()); ++t)
    if (numbers[numbers.size() == 1 ? 0 : t] !=
        sign * like[like.size() == 1 ? 0 : t])
      return false;
  return true;
}

/// Pairs (a, b) become (a cos - b sin, b cos + a sin).
static bool readPairs(const LinearMap &map, Rotation &rotation) {
  rotation.cos.clear();
  rotation.sin.clear();
  for (int64_t pair = 0; 2 * pair < rotation.rotated; ++pair) {
    auto [a, b] = getPair(pair, rotation.rotated, rotation.isInterleaved);
    const auto &first = map.features[a], &second = map.features[b];
    if (first.size() != 2 || second.size() != 2 || !first.count(a) ||
        !first.count(b) || !second.count(a) || !second.count(b) ||
        !isEqual(first.at(a), second.at(b), 1.0f) ||
        !isEqual(first.at(b), second.at(a), -1.0f))
      return false;
    rotation.cos.push_back(first.at(a));
    rotation.sin.push_back(second.at(a));
  }
  return true;
}

/// Of a map to features of its source's type; else why it only looks like a
/// rotation.
static std::optional<Rotation> readRotation(const LinearMap &map,
                                            std::string &why) {
  int64_t rotated = 0;
  for (auto [i, feature] : llvm::enumerate(map.features)) {
    if (feature.size() == 2)
      rotated = i + 1;
    else if (feature.size() != 1 || !feature.count(i) ||
             !isEqual(feature.at(i), {1.0f}, 1.0f))
      return std::nullopt; // moves features, or scales them
  }
  if (!rotated || map.tokenDim == 0)
    return std::nullopt;
  bool tokensFirst = map.tokenDim == 1;
  Rotation rotation = {map.source,
                       tokensFirst,
                       shapeOf(map.source)[tokensFirst ? 1 : 2],
                       rotated,
                       /*isInterleaved=*/false,
                       {},
                       {}};
  for (bool isInterleaved : {false, true}) {
    rotation.isInterleaved = isInterleaved;
    if (rotated % 2 == 0 && readPairs(map, rotation))
      return rotation;
  }
  why = "looks like a rotary embedding, but does not turn pairs of neighbours "
        "or of halves by one angle each";
  return std::nullopt;
}

/// Are there as many features in values of as many tokens and heads?
static bool hasFeaturesOf(Value value, Value like) {
  return shapeOf(value).size() == 4 &&
         getElementTypeOrSelf(value) == getElementTypeOrSelf(like) &&
         shapeOf(value).take_front(3) == shapeOf(like).take_front(3) &&
         cast<ShapedType>(value.getType()).getNumElements() ==
             cast<ShapedType>(like.getType()).getNumElements();
}

/// Where features may come from that are as many as `root` has: a box of a
/// wider value, or what that stops at.
static void collectEnds(Value value, Value root, SetVector<Value> &ends,
                        DenseSet<Value> &seen, int depth = 0) {
  if (!seen.insert(value).second)
    return;
  Operation *op = value.getDefiningOp();
  if (depth && hasFeaturesOf(value, root))
    ends.insert(value);
  if (depth == 8 || !isa_and_nonnull<AddOp, SubOp, MulOp, DivOp, NegOp,
                                     ConcatOp, ReshapeOp, SliceOp, SplitOp>(op))
    return;
  for (Value operand : op->getOperands())
    if (shapeOf(operand).size() >= 4)
      collectEnds(operand, root, ends, seen, depth + 1);
}

/// The rotation that makes `op`'s value; else why it only looks like one.
static std::optional<Rotation> matchRotation(Operation *op, std::string &why) {
  if (!isa<AddOp, SubOp, ConcatOp, ReshapeOp>(op))
    return std::nullopt;
  Value value = op->getResult(0);
  if (shapeOf(value).size() < 4 || llvm::is_contained(shapeOf(value), 0) ||
      !isa<FloatType>(getElementTypeOrSelf(value)))
    return std::nullopt;
  SetVector<Value> ends;
  DenseSet<Value> seen;
  collectEnds(value, value, ends, seen);
  for (Value end : ends)
    if (std::optional<LinearMap> map = LinearMapReader(end).read(value);
        map && map->source == end)
      if (std::optional<Rotation> rotation = readRotation(*map, why))
        return rotation;
  return std::nullopt;
}

std::string train::explainRotary(Operation *op) {
  std::string why;
  matchRotation(op, why);
  return why;
}

/// [tokens, pairs]
static Value createTable(PatternRewriter &rewriter, Operation *op,
                         const std::vector<PerToken> &numbers, int64_t tokens) {
  std::vector<float> table;
  for (int64_t t = 0; t < tokens; ++t)
    for (const PerToken &pair : numbers)
      table.push_back(pair[pair.size() == 1 ? 0 : t]);
  auto type = RankedTensorType::get(
      {tokens, static_cast<int64_t>(numbers.size())}, rewriter.getF32Type());
  return createFor<arith::ConstantOp>(
      rewriter, op, DenseElementsAttr::get(type, ArrayRef<float>(table)));
}

namespace {
struct MatchRotary : RewritePattern {
  MatchRotary(MLIRContext *context)
      : RewritePattern(MatchAnyOpTypeTag(), 1, context) {}

  LogicalResult matchAndRewrite(Operation *op,
                                PatternRewriter &rewriter) const override {
    std::string why;
    std::optional<Rotation> rotation = matchRotation(op, why);
    if (!rotation)
      return failure();
    ArrayRef<int64_t> shape = shapeOf(rotation->source);
    SmallVector<Factors> dims = {{{Axis::batch, shape[0]}},
                                 {{Axis::head, shape[1]}},
                                 {{Axis::token, shape[2]}},
                                 {{Axis::feature, shape[3]}}};
    if (rotation->tokensFirst)
      dims = {{{Axis::batch, shape[0]}},
              {{Axis::token, shape[1]}},
              {{Axis::head, shape[2]}},
              {{Axis::feature, shape[3]}}};
    int64_t heads = shape[rotation->tokensFirst ? 2 : 1];
    Heads source(rotation->source, dims);
    source.goBack(/*scales=*/false);
    // Not where heads are repeated: they would be rotated before.
    if (source.countHeads() != heads)
      return failure();
    Value merged = source.merge(rewriter, op);
    Value cos = createTable(rewriter, op, rotation->cos, rotation->tokens),
          sin = createTable(rewriter, op, rotation->sin, rotation->tokens);
    auto rotary = createFor<RotaryOp>(
        rewriter, op, merged.getType(), merged, cos, sin,
        static_cast<uint64_t>(heads), static_cast<uint64_t>(rotation->rotated),
        rotation->isInterleaved, /*inverse=*/false);
    Value result = splitHeads(rewriter, op, rotary, heads,
                              /*turns=*/!rotation->tokensFirst);
    if (Type type = op->getResult(0).getType(); result.getType() != type)
      result = createFor<ReshapeOp>(rewriter, op, type, result);
    rewriter.replaceOp(op, result);
    return success();
  }
};
} // namespace

void train::addRotaryPatterns(RewritePatternSet &patterns) {
  patterns.add<MatchRotary>(patterns.getContext());
}
