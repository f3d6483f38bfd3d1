//===- Rotary.cpp - Rotary position embedding -----------------------------===//

#include "Import/ONNX/AttentionCore.h"
#include "Import/ONNX/Indexing.h"
#include "Import/ONNX/Operators.h"
#include "Train/IR/Train.h"

#include <numeric>

using namespace mlir;

namespace fp8c {

namespace {
/// The inputs of the caches and of the positions, or instead of these the first
/// token's, which the others follow.
struct RotaryInputs {
  unsigned cos, sin, positions;
  std::optional<int64_t> first;
};
} // namespace

/// Cosines or sines per token: [tokens, dim] where all sequences share them,
/// else [batch, tokens, dim].
static Constant shareTokens(const Constant &cache) {
  if (cache.shape().size() != 3)
    return cache;
  ArrayRef<int64_t> shape = cache.shape();
  int64_t one = shape[1] * shape[2];
  for (int64_t i = one; i < cache.size(); ++i)
    if (cache.floats()[i] != cache.floats()[i - one])
      return cache;
  return cache.view(shape.drop_front(), 0,
                    ArrayRef<int64_t>(rowMajorStrides(shape)).drop_front());
}

/// Rows of a cache (input i) from a first one on.
static Value cacheRows(Node &node, unsigned i, int64_t first, int64_t tokens,
                       int64_t dim) {
  ArrayRef<int64_t> shape = node.shape(i);
  if (shape.size() != 2 || shape[1] != dim || first < 0 ||
      first > shape[0] - tokens) {
    (void)node.invalid("has a cache " + toString(shape) + " without rows of " +
                       Twine(dim) + " for " + Twine(tokens) +
                       " positions from " + Twine(first) + " on");
    return {};
  }
  return createSlice(node, node.value(i), {first, 0}, {tokens, dim}, {1, 1});
}

/// The cosines or sines (input i) for the tokens [batch, tokens] of x: the
/// cache itself, or its rows at positions.
static Value tokenCache(Node &node, unsigned i, const RotaryInputs &inputs,
                        ArrayRef<int64_t> tokens, int64_t dim) {
  if (inputs.first)
    return cacheRows(node, i, *inputs.first, tokens[1], dim);
  unsigned positionsAt = inputs.positions;
  auto bad = [&](const Twine &message) -> Value {
    (void)node.invalid(message);
    return {};
  };
  Shape expected(tokens);
  expected.push_back(dim);
  ArrayRef<int64_t> shape = node.shape(i);
  const Constant *cache = node.constant(i);
  if (!node.has(positionsAt)) {
    // One sequence's may stand for all.
    std::optional<Shape> full = broadcastShapes(shape, expected);
    if (shape.size() != 3 || full != expected ||
        shape.drop_front() != ArrayRef<int64_t>(expected).drop_front())
      return bad("has a cache " + toString(shape) + " where " +
                 toString(expected) + " is needed");
    if (cache)
      return node.materialize(shareTokens(*cache), node.proto.input(i));
    return node.reshape(node.value(i),
                        shape[0] == 1 ? shape.drop_front() : shape);
  }
  ArrayRef<int64_t> given = node.shape(positionsAt);
  bool isShared = given.size() == 2 && given[0] == 1 && given[1] == tokens[1];
  if (shape.size() != 2 || shape[1] != dim || (given != tokens && !isShared))
    return bad("has a cache " + toString(shape) + " and positions " +
               toString(given) + " where [positions, " + Twine(dim) + "] and " +
               toString(tokens) + " are needed");
  expected[0] = given[0];
  const Constant *positions = node.constant(positionsAt);
  if (!cache || !positions) {
    Value rows = node.create<train::EmbeddingOp>(
        node.type(i).clone(expected), node.value(i), node.value(positionsAt));
    return node.reshape(rows, isShared
                                  ? ArrayRef<int64_t>(expected).drop_front()
                                  : ArrayRef<int64_t>(expected));
  }
  std::optional<Shape> known =
      indicesFromStart(node, positions->integers(), shape[0]);
  if (!known)
    return {};
  return node.materialize(
      shareTokens(takeAlong(*cache, 0, *known).reshape(expected)),
      node.proto.input(i));
}

/// x [batch, heads, tokens, dim], or [batch, tokens, heads * dim] with
/// `num_heads`, as ONNX and Microsoft have it.
static LogicalResult createRotary(Node &node, RotaryInputs inputs) {
  int64_t rank = node.rank(0);
  if (rank != 3 && rank != 4)
    return node.invalid("needs an input of 3 or 4 dimensions, not " +
                        toString(node.shape(0)));
  int64_t heads = node.integer("num_heads", 0);
  bool isInterleaved = node.integer("interleaved", 0) != 0;
  int64_t rotated = node.integer("rotary_embedding_dim", 0);
  if (rank == 4)
    heads = node.shape(0)[1];
  Value x = node.value(0);
  if (rank == 4)
    x = mergeHeads(node, x);
  ArrayRef<int64_t> shape = shapeOf(x);
  // Microsoft's may leave the heads to the width of the cache.
  if (heads == 0 && rotated == 0 && node.rank(inputs.cos) > 0)
    heads = shape[2] / std::max<int64_t>(2 * node.shape(inputs.cos).back(), 1);
  if (heads < 1 || shape[2] % heads)
    return node.invalid("cannot divide a width of " + Twine(shape[2]) +
                        " into " + Twine(heads) + " heads (num_heads)");
  int64_t width = shape[2] / heads;
  rotated = rotated == 0 ? width : rotated;
  if (rotated < 2 || rotated % 2 || rotated > width)
    return node.invalid("cannot rotate " + Twine(rotated) +
                        " elements of heads of " + Twine(width));
  ArrayRef<int64_t> tokens = shape.take_front(2);
  Value cos = tokenCache(node, inputs.cos, inputs, tokens, rotated / 2);
  Value sin =
      cos ? tokenCache(node, inputs.sin, inputs, tokens, rotated / 2) : cos;
  if (!sin)
    return failure();
  // Both are shared or neither.
  if (shapeOf(cos) != shapeOf(sin)) {
    Shape full = {shape[0], shape[1], rotated / 2};
    cos = node.broadcast(cos, full);
    sin = node.broadcast(sin, full);
  }
  Value output = node.create<train::RotaryOp>(x.getType(), x, cos, sin, heads,
                                              rotated, isInterleaved,
                                              /*inverse=*/false);
  return node.yield(rank == 4 ? splitHeads(node, output, heads) : output);
}

static LogicalResult importRotary(Node &node) {
  return createRotary(node, {1, 2, 3, std::nullopt});
}

/// Positions [batch, tokens], or a single one: the first token's.
static LogicalResult importMicrosoftRotary(Node &node) {
  if (node.number("scale", 1.0f) != 1.0f ||
      node.integer("is_packed_batching", 0) != 0)
    return node.unsupported("scales or packs its positions");
  if (node.rank(1) == 2)
    return createRotary(node, {2, 3, 1, std::nullopt});
  const Constant *first = node.constant(1);
  if (!first || first->size() != 1)
    return node.unsupported("its first position is only known at run time");
  return createRotary(node, {2, 3, 1, first->integers()[0]});
}

ArrayRef<Operator> rotaryOperators() {
  static constexpr Operator table[] = {
      {"RotaryEmbedding", 23,
       "X:float cos_cache:float sin_cache:float position_ids:ids?",
       importRotary},
      {"RotaryEmbedding", 1,
       "input:float position_ids:ids cos_cache:float sin_cache:float",
       importMicrosoftRotary, nullptr, microsoftDomain},
  };
  return table;
}

} // namespace fp8c
