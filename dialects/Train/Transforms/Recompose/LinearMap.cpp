//===- LinearMap.cpp - Features as sums of other features -----------------===//

#include "Train/Transforms/Recompose/LinearMap.h"

#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

/// Dimensions in front of the features: batch, heads and tokens.
static constexpr size_t kOwners = 3;
static constexpr int kMostDepth = 12;
static constexpr int64_t kMostFeatures = 4096;

static int64_t countFeatures(ArrayRef<int64_t> shape) {
  return ShapedType::getNumElements(shape.drop_front(kOwners));
}

static LinearMap identity(Value value) {
  LinearMap map;
  map.source = value;
  map.features.resize(countFeatures(shapeOf(value)));
  for (auto [i, feature] : llvm::enumerate(map.features))
    feature[i] = {1.0f};
  return map;
}

/// x op y for each token.
template <typename Op>
static PerToken zip(const PerToken &x, const PerToken &y, Op op) {
  PerToken result(std::max(x.size(), y.size()));
  for (size_t t = 0; t < result.size(); ++t)
    result[t] = op(x[x.size() == 1 ? 0 : t], y[y.size() == 1 ? 0 : t]);
  return result;
}

static void negate(LinearMap &map) {
  for (auto &feature : map.features)
    for (auto &[index, numbers] : feature)
      for (float &number : numbers)
        number = -number;
}

/// Do numbers of one map and of the other depend on one dimension? Makes `map`
/// depend on it.
static bool join(LinearMap &map, int64_t tokenDim) {
  if (map.tokenDim == -1)
    map.tokenDim = tokenDim;
  return tokenDim == -1 || map.tokenDim == tokenDim;
}

static std::optional<LinearMap> add(std::optional<LinearMap> lhs,
                                    const std::optional<LinearMap> &rhs,
                                    float sign) {
  if (!lhs || !rhs || lhs->source != rhs->source ||
      lhs->features.size() != rhs->features.size() ||
      !join(*lhs, rhs->tokenDim))
    return std::nullopt;
  for (auto [to, from] : llvm::zip(lhs->features, rhs->features))
    for (const auto &[index, numbers] : from) {
      PerToken &sum = to.try_emplace(index, PerToken{0.0f}).first->second;
      sum = zip(sum, numbers, [&](float x, float y) { return x + sign * y; });
    }
  return lhs;
}

/// Of a constant that broadcasts to `shape`: numbers by feature. It must be the
/// same for all sequences and heads.
static std::optional<std::vector<PerToken>>
readConstant(Value value, ArrayRef<int64_t> shape, int64_t &tokenDim) {
  DenseElementsAttr elements = getConstant(value);
  if (!elements || !elements.getElementType().isF32())
    return std::nullopt;
  int64_t features = countFeatures(shape);
  if (elements.isSplat())
    return std::vector<PerToken>(features, {elements.getSplatValue<float>()});
  ArrayRef<int64_t> own = elements.getType().getShape();
  SmallVector<int64_t> full(shape.size() - own.size(), 1);
  full.append(own.begin(), own.end());
  tokenDim = -1;
  for (int64_t i = 0; i < static_cast<int64_t>(kOwners); ++i)
    if (full[i] != 1) {
      if (tokenDim != -1)
        return std::nullopt;
      tokenDim = i;
    }
  int64_t tokens = tokenDim == -1 ? 1 : full[tokenDim];
  std::vector<PerToken> result(features, PerToken(tokens));
  auto numbers = elements.getValues<float>();
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t feature = 0; feature < features; ++feature) {
      // The constant's own index, dimension by dimension from the last.
      int64_t rest = feature, index = 0, step = 1;
      for (size_t i = shape.size(); i-- > kOwners;) {
        index += full[i] == 1 ? 0 : rest % shape[i] * step;
        rest /= shape[i];
        step *= full[i];
      }
      result[feature][t] = numbers[t * step + index];
    }
  return result;
}

static std::optional<LinearMap> scale(const std::optional<LinearMap> &map,
                                      Value constant, ArrayRef<int64_t> shape,
                                      bool divides) {
  int64_t tokenDim = -1;
  auto numbers = readConstant(constant, shape, tokenDim);
  if (!map || !numbers)
    return std::nullopt;
  LinearMap result = *map;
  if (!join(result, tokenDim))
    return std::nullopt;
  for (auto [feature, by] : llvm::zip(result.features, *numbers))
    for (auto &[index, number] : feature)
      number = zip(number, by,
                   [&](float x, float y) { return divides ? x / y : x * y; });
  return result;
}

/// The features of a box of a value.
static std::optional<LinearMap> cut(std::optional<LinearMap> map, Value whole,
                                    ArrayRef<int64_t> box,
                                    ArrayRef<int64_t> offsets,
                                    ArrayRef<int64_t> strides) {
  ArrayRef<int64_t> shape = shapeOf(whole);
  if (!map || box.take_front(kOwners) != shape.take_front(kOwners))
    return std::nullopt;
  LinearMap result = *map;
  result.features.clear();
  for (int64_t i = 0, count = countFeatures(box); i < count; ++i) {
    int64_t rest = i, index = 0, step = 1;
    for (size_t dim = shape.size(); dim-- > kOwners;) {
      index += (offsets[dim] + rest % box[dim] * strides[dim]) * step;
      rest /= box[dim];
      step *= shape[dim];
    }
    result.features.push_back(map->features[index]);
  }
  return result;
}

/// Parts one after the other along a dimension of features.
std::optional<LinearMap> LinearMapReader::concat(ConcatOp op, int depth) {
  auto axis = static_cast<size_t>(op.getAxis());
  if (axis < kOwners)
    return std::nullopt;
  std::vector<LinearMap> parts;
  for (Value part : op.getParts()) {
    std::optional<LinearMap> map = read(part, depth + 1);
    if (!map || (!parts.empty() && map->source != parts.front().source) ||
        (!parts.empty() && !join(parts.front(), map->tokenDim)))
      return std::nullopt;
    parts.push_back(std::move(*map));
  }
  LinearMap result;
  result.source = parts.front().source;
  result.tokenDim = parts.front().tokenDim;
  int64_t outer = 1;
  for (size_t i = kOwners; i < axis; ++i)
    outer *= shapeOf(op)[i];
  for (int64_t o = 0; o < outer; ++o)
    for (const LinearMap &part : parts) {
      int64_t each = part.features.size() / outer;
      result.features.insert(result.features.end(),
                             part.features.begin() + o * each,
                             part.features.begin() + (o + 1) * each);
    }
  return result;
}

std::optional<LinearMap> LinearMapReader::read(Value value, int depth) {
  if (shapeOf(value).size() <= kOwners || depth == kMostDepth ||
      countFeatures(shapeOf(value)) > kMostFeatures)
    return std::nullopt;
  if (value == end)
    return identity(value);
  auto found = known.find(value);
  if (found != known.end())
    return found->second;
  std::optional<LinearMap> map = readOperation(value, depth);
  known[value] = map;
  return map;
}

std::optional<LinearMap> LinearMapReader::readOperation(Value value,
                                                        int depth) {
  ArrayRef<int64_t> shape = shapeOf(value);
  Operation *op = value.getDefiningOp();
  // What changes types is no sum of features.
  if (op && llvm::any_of(op->getOperandTypes(), [&](Type type) {
        return getElementTypeOrSelf(type) != getElementTypeOrSelf(value);
      }))
    return identity(value);
  if (auto negated = dyn_cast_or_null<NegOp>(op)) {
    std::optional<LinearMap> map = read(negated.getInput(), depth + 1);
    if (map)
      negate(*map);
    return map;
  }
  if (isa_and_nonnull<AddOp, SubOp>(op))
    return op->getOperand(0).getType() == op->getOperand(1).getType()
               ? add(read(op->getOperand(0), depth + 1),
                     read(op->getOperand(1), depth + 1),
                     isa<AddOp>(op) ? 1.0f : -1.0f)
               : std::nullopt;
  if (isa_and_nonnull<MulOp, DivOp>(op))
    for (unsigned i = 0; i < (isa<MulOp>(op) ? 2 : 1); ++i)
      if (op->getOperand(i).getType() == value.getType() &&
          getConstant(op->getOperand(1 - i)))
        return scale(read(op->getOperand(i), depth + 1), op->getOperand(1 - i),
                     shape, isa<DivOp>(op));
  if (auto slice = dyn_cast_or_null<SliceOp>(op);
      slice && shapeOf(slice.getInput()).take_front(kOwners) ==
                   shape.take_front(kOwners))
    return cut(read(slice.getInput(), depth + 1), slice.getInput(), shape,
               slice.getOffsets(), slice.getStrides());
  if (auto split = dyn_cast_or_null<SplitOp>(op);
      split && static_cast<size_t>(split.getAxis()) >= kOwners) {
    SmallVector<int64_t> offsets(shape.size()), strides(shape.size(), 1);
    for (Value part : split.getParts()) {
      if (part == value)
        break;
      offsets[split.getAxis()] += shapeOf(part)[split.getAxis()];
    }
    return cut(read(split.getInput(), depth + 1), split.getInput(), shape,
               offsets, strides);
  }
  if (auto join = dyn_cast_or_null<ConcatOp>(op))
    return concat(join, depth);
  if (auto reshape = dyn_cast_or_null<ReshapeOp>(op);
      reshape && shapeOf(reshape.getInput()).size() > kOwners &&
      shapeOf(reshape.getInput()).take_front(kOwners) ==
          shape.take_front(kOwners))
    return read(reshape.getInput(), depth + 1);
  return identity(value);
}
