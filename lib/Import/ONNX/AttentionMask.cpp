//===- AttentionMask.cpp - Which keys a query sees ------------------------===//

#include "Import/ONNX/AttentionCore.h"
#include "Import/ONNX/ConstantMath.h"
#include "Train/IR/Masks.h"

#include <cfloat>
#include <numeric>

using namespace mlir;

namespace fp8c {

constexpr float notSeen = -HUGE_VALF;

template <typename Sees> void AttentionMask::addKnown(Sees sees) {
  std::vector<float> numbers;
  numbers.reserve(queries * keys);
  for (int64_t query = 0; query < queries; ++query)
    for (int64_t key = 0; key < keys; ++key)
      numbers.push_back(sees(query, key) ? 0.0f : notSeen);
  auto type = RankedTensorType::get({queries, keys}, node.builder.getF32Type());
  addBias(Constant(type, std::move(numbers)));
}

void AttentionMask::addCausal(int64_t offset) {
  if (offset == 0)
    causal = true;
  else
    addKnown([&](int64_t query, int64_t key) { return key <= query + offset; });
}

void AttentionMask::addWindow(int64_t left, int64_t right, int64_t offset) {
  if (left >= 0 || right >= 0)
    addKnown([&](int64_t query, int64_t key) {
      int64_t distance = query + offset - key;
      return (left < 0 || distance <= left) &&
             (right < 0 || -distance <= right);
    });
}

void AttentionMask::addLengths(Value lengths) {
  auto type = cast<RankedTensorType>(lengths.getType());
  std::vector<int64_t> each(keys);
  std::iota(each.begin(), each.end(), 0);
  Value key = node.materialize(Constant(type.clone({keys}), std::move(each)));
  Value length = node.reshape(lengths, {type.getDimSize(0), 1, 1, 1});
  addSeen(node.create<train::CompareOp>(train::Predicate::lt, key, length));
}

void AttentionMask::addBias(const Constant &numbers) {
  if (!bias)
    return (void)bias.emplace(numbers);
  Shape shape = *broadcastShapes(bias->shape(), numbers.shape());
  Repeated a(*bias, shape), b(numbers, shape);
  bias = Constant(numbers.type().clone(shape),
                  zipWith(a->floats(), b->floats(), std::plus<float>()));
}

/// Booleans as numbers to add.
static Constant asBias(const Constant &mask, Type f32) {
  if (mask.isFloat())
    return mask;
  std::vector<float> numbers;
  numbers.reserve(mask.size());
  for (int64_t sees : mask.integers())
    numbers.push_back(sees ? 0.0f : notSeen);
  return Constant(mask.type().clone(f32), std::move(numbers));
}

/// With -inf for keys behind those that it has.
static Constant widen(const Constant &bias, int64_t keys) {
  int64_t own = bias.shape().back();
  Shape shape(bias.shape());
  shape.back() = keys;
  std::vector<float> numbers;
  numbers.reserve(product(shape));
  for (int64_t i = 0; i < product(shape); ++i)
    numbers.push_back(i % keys < own ? bias.floats()[i / keys * own + i % keys]
                                     : notSeen);
  return Constant(bias.type().clone(shape), std::move(numbers));
}

LogicalResult AttentionMask::addInput(unsigned i, ArrayRef<int64_t> scores) {
  Type element = node.type(i).getElementType();
  Shape shape(node.shape(i));
  bool isShort = !shape.empty() && shape.back() > 1 && shape.back() < keys;
  if (isShort)
    shape.back() = keys;
  std::optional<Shape> full = broadcastShapes(shape, scores);
  if (!full || ArrayRef<int64_t>(*full) != scores)
    return node.invalid("has a mask " + toString(node.shape(i)) +
                        " that does not broadcast to its scores " +
                        toString(scores));
  if (!element.isF32() && !element.isInteger(1))
    return node.unsupported("has a mask that is neither of booleans nor of "
                            "floats");
  if (const Constant *mask = node.constant(i)) {
    Constant numbers = asBias(*mask, node.builder.getF32Type());
    addBias(isShort ? widen(numbers, keys) : numbers);
    return success();
  }
  if (isShort)
    return node.unsupported("has a mask known at run time for fewer keys than "
                            "there are");
  (element.isF32() ? added : seen).push_back(node.value(i));
  return success();
}

/// Whether each matrix of numbers masks what is above its diagonal, or nothing.
static bool isTriangle(const Constant &bias, int64_t queries, int64_t keys,
                       bool isCausal) {
  ArrayRef<int64_t> shape = bias.shape();
  if (isCausal && queries > 1 &&
      (shape.size() < 2 || shape[shape.size() - 2] != queries ||
       shape.back() != keys))
    return false;
  for (int64_t i = 0; i < bias.size(); ++i) {
    bool isAbove = isCausal && i % keys > i / keys % queries;
    float number = bias.floats()[i];
    if (isAbove ? number > train::kMasking : number != 0)
      return false;
  }
  return true;
}

bool AttentionMask::isPlain(bool &isCausal) const {
  isCausal = causal;
  if (!seen.empty() || !added.empty())
    return false;
  if (!bias || isTriangle(*bias, queries, keys, /*isCausal=*/false))
    return true;
  isCausal = true;
  return queries == keys && isTriangle(*bias, queries, keys, isCausal);
}

//===----------------------------------------------------------------------===//
// Applying
//===----------------------------------------------------------------------===//

/// 0 and -inf for the causal order.
static Constant causalBias(Node &node, int64_t queries, int64_t keys) {
  std::vector<float> numbers;
  for (int64_t query = 0; query < queries; ++query)
    for (int64_t key = 0; key < keys; ++key)
      numbers.push_back(key <= query ? 0.0f : notSeen);
  return Constant(
      RankedTensorType::get({queries, keys}, node.builder.getF32Type()),
      std::move(numbers));
}

Value AttentionMask::apply(Value scores) const {
  AttentionMask all = *this;
  if (all.causal)
    all.addBias(causalBias(node, queries, keys));
  for (Value numbers : added) {
    Value lowest = node.scalar(-FLT_MAX);
    Value finite = node.create<train::MaximumOp>(numbers, lowest);
    scores = node.create<train::AddOp>(scores, finite);
  }
  for (Value condition : seen) {
    Value lowest = node.scalar(-FLT_MAX);
    scores = node.create<train::SelectOp>(condition, scores, lowest);
  }
  if (!all.bias)
    return scores;
  std::vector<float> finite;
  finite.reserve(all.bias->size());
  for (float number : all.bias->floats())
    finite.push_back(std::max(number, -FLT_MAX));
  Value numbers =
      node.materialize(Constant(all.bias->type(), std::move(finite)));
  return node.create<train::AddOp>(scores, numbers);
}

/// 1 for queries that see a key, else 0: the last dimension becomes 1.
static Constant seeingRows(const Constant &bias) {
  int64_t keys = bias.shape().back();
  Shape shape(bias.shape());
  shape.back() = 1;
  std::vector<float> sees(product(shape), 0.0f);
  for (int64_t i = 0; i < bias.size(); ++i)
    if (bias.floats()[i] != notSeen)
      sees[i / keys] = 1.0f;
  return Constant(bias.type().clone(shape), std::move(sees));
}

Value AttentionMask::clearBlindRows(Value probabilities) const {
  AttentionMask all = *this;
  if (all.causal && all.bias)
    all.addBias(causalBias(node, queries, keys));
  Value zero;
  auto keepWhere = [&](Value sees) {
    if (!zero)
      zero = node.scalar(0.0f);
    probabilities = node.create<train::SelectOp>(sees, probabilities, zero);
  };
  if (all.bias) {
    Constant sees = seeingRows(*all.bias);
    if (!sees.isSplat() || sees.floats()[0] == 0)
      keepWhere(node.materialize(sees));
  }
  for (Value condition : seen) {
    auto type = cast<RankedTensorType>(condition.getType());
    Value numbers = node.create<train::ConvertOp>(
        type.clone(node.builder.getF32Type()), condition);
    if (type.getRank() > 0)
      keepWhere(node.create<train::ReduceMaxOp>(
          numbers, Shape{type.getRank() - 1}, /*keepdims=*/true));
  }
  for (Value numbers : added) {
    int64_t rank = shapeOf(numbers).size();
    if (rank == 0)
      continue;
    Value most = node.create<train::ReduceMaxOp>(numbers, Shape{rank - 1},
                                                 /*keepdims=*/true);
    Value none = node.scalar(notSeen);
    keepWhere(node.create<train::CompareOp>(train::Predicate::gt, most, none));
  }
  return probabilities;
}

} // namespace fp8c
