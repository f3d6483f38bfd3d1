//===- Attention.cpp - Attention and rotary position embedding ------------===//
//
// ONNX has heads either as a dimension, [batch, heads, tokens, dim], or within
// the last one, [batch, tokens, heads * dim], which is the train dialect's way.
//
//===----------------------------------------------------------------------===//

#include "Import/ONNX/Operators.h"
#include "Import/ONNX/Shapes.h"
#include "Train/IR/Train.h"

#include <cmath>

using namespace mlir;

namespace fp8c {

static ArrayRef<int64_t> shapeOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape();
}

/// [batch, heads, tokens, dim] → [batch, tokens, heads * dim]
static Value mergeHeads(Node &node, Value value) {
  ArrayRef<int64_t> shape = shapeOf(value);
  Value turned = node.transpose(value, {0, 2, 1, 3});
  return node.reshape(turned, {shape[0], shape[2], shape[1] * shape[3]});
}

/// [batch, tokens, heads * dim] → [batch, heads, tokens, dim]
static Value splitHeads(Node &node, Value value, int64_t heads) {
  ArrayRef<int64_t> shape = shapeOf(value);
  Value split =
      node.reshape(value, {shape[0], shape[1], heads, shape[2] / heads});
  return node.transpose(split, {0, 2, 1, 3});
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

namespace {
struct Heads {
  int64_t query, keyValue;
};
} // namespace

static std::optional<Heads> readHeads(Node &node) {
  auto bad = [&](const Twine &message) {
    (void)node.invalid(message);
    return std::nullopt;
  };
  std::optional<int64_t> query = node.integer("q_num_heads");
  std::optional<int64_t> keyValue = node.integer("kv_num_heads");
  int64_t rank = node.rank(0);
  if ((rank != 3 && rank != 4) || node.rank(1) != rank || node.rank(2) != rank)
    return bad("needs a query, key and value of 3 or of 4 dimensions");
  if (rank == 4) {
    query = node.shape(0)[1];
    keyValue = node.shape(1)[1];
    if (node.shape(2)[1] != *keyValue)
      return bad("has keys and values of different heads");
  }
  if (!query || !keyValue)
    return bad("lacks q_num_heads and kv_num_heads");
  if (*query < 1 || *keyValue < 1 || *query % *keyValue)
    return bad("has " + Twine(*query) + " query heads, no multiple of its " +
               Twine(*keyValue) + " key and value heads");
  return Heads{*query, *keyValue};
}

/// What train.attention's verifier would say less clearly.
static LogicalResult checkShapes(Node &node, Value q, Value k, Value v,
                                 Heads heads) {
  ArrayRef<int64_t> a = shapeOf(q), b = shapeOf(k), c = shapeOf(v);
  if (a[0] != b[0] || a[0] != c[0] || b[1] != c[1])
    return node.invalid("has a query, key and value of different batches, or a "
                        "key and value of different lengths");
  if (a[2] % heads.query || b[2] % heads.keyValue || c[2] % heads.keyValue ||
      a[2] / heads.query != b[2] / heads.keyValue)
    return node.invalid("cannot divide its query " + toString(node.shape(0)) +
                        " and key " + toString(node.shape(1)) +
                        " into heads of equal width");
  return success();
}

/// Forms that train.attention has no place for.
static LogicalResult checkForm(Node &node) {
  node.ignore({"softmax_precision", "qk_matmul_output_mode"});
  if (node.has(3))
    return node.unsupported("has a mask");
  if (node.has(4) || node.has(5))
    return node.unsupported("has past keys and values");
  if (node.has(6))
    return node.unsupported("has padded keys (nonpad_kv_seqlen)");
  if (node.number("softcap", 0.0f) != 0.0f)
    return node.unsupported("caps its scores (softcap)");
  if (node.opset >= 25 && (node.integer("left_window_size", -1) != -1 ||
                           node.integer("right_window_size", -1) != -1))
    return node.unsupported("sees a window only");
  if (node.wants(3))
    return node.unsupported("gives its scores as an output");
  return success();
}

static LogicalResult importAttention(Node &node) {
  bool isCausal = node.integer("is_causal", 0) != 0;
  std::optional<float> givenScale = node.number("scale");
  std::optional<Heads> heads = readHeads(node);
  if (failed(checkForm(node)) || !heads)
    return failure();
  bool isSplit = node.rank(0) == 4;
  Value q = node.value(0), k = node.value(1), v = node.value(2);
  // Without a past the present keys and values are the given ones.
  if (node.wants(1))
    (void)node.yield(isSplit ? k : splitHeads(node, k, heads->keyValue), 1);
  if (node.wants(2))
    (void)node.yield(isSplit ? v : splitHeads(node, v, heads->keyValue), 2);
  if (isSplit) {
    q = mergeHeads(node, q);
    k = mergeHeads(node, k);
    v = mergeHeads(node, v);
  }
  if (failed(checkShapes(node, q, k, v, *heads)))
    return failure();

  Shape shape(shapeOf(q));
  int64_t headDim = shape[2] / heads->query;
  float scale = givenScale.value_or(float(1.0 / std::sqrt(double(headDim))));
  Shape statistics = {shape[0], heads->query, shape[1]};
  shape[2] = shapeOf(v)[2] / heads->keyValue * heads->query;
  RankedTensorType type = node.type(0);
  auto attention = node.create<train::AttentionOp>(
      TypeRange{type.clone(shape), type.clone(statistics)}, q, k, v,
      heads->query, heads->keyValue, llvm::APFloat(scale), isCausal);
  Value output = attention.getOutput();
  return node.yield(isSplit ? splitHeads(node, output, heads->query) : output);
}

//===----------------------------------------------------------------------===//
// RotaryEmbedding
//===----------------------------------------------------------------------===//

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

/// Rows of a cache [positions, dim] at known positions [batch, tokens].
static std::optional<Constant> cacheRows(Node &node, const Constant &cache,
                                         const Constant &positions) {
  int64_t rows = cache.shape()[0], dim = cache.shape()[1];
  std::vector<int64_t> elements;
  for (int64_t position : positions.integers()) {
    if (position < 0 || position >= rows) {
      (void)node.invalid("has a position " + Twine(position) +
                         " outside its cache of " + Twine(rows));
      return std::nullopt;
    }
    for (int64_t i = 0; i < dim; ++i)
      elements.push_back(position * dim + i);
  }
  return cache.take({positions.shape()[0], positions.shape()[1], dim},
                    elements);
}

/// The cosines (input 1) or sines (input 2) for the tokens of x.
static Value tokenCache(Node &node, unsigned i, ArrayRef<int64_t> tokens,
                        int64_t dim) {
  auto bad = [&](const Twine &message) -> Value {
    (void)node.invalid(message);
    return {};
  };
  Shape expected(tokens);
  expected.push_back(dim);
  ArrayRef<int64_t> shape = node.shape(i);
  const Constant *cache = node.constant(i);
  if (!node.has(3)) {
    if (shape != ArrayRef<int64_t>(expected))
      return bad("has a cache " + toString(shape) + " where " +
                 toString(expected) + " is needed");
    return cache ? node.materialize(shareTokens(*cache), node.proto.input(i))
                 : node.value(i);
  }
  if (shape.size() != 2 || shape[1] != dim || node.shape(3) != tokens)
    return bad("has a cache " + toString(shape) + " and positions " +
               toString(node.shape(3)) + " where [positions, " + Twine(dim) +
               "] and " + toString(tokens) + " are needed");
  const Constant *positions = node.constant(3);
  if (!cache || !positions)
    return node.create<train::EmbeddingOp>(node.type(i).clone(expected),
                                           node.value(i), node.value(3));
  std::optional<Constant> rows = cacheRows(node, *cache, *positions);
  return rows ? node.materialize(shareTokens(*rows), node.proto.input(i))
              : Value();
}

static LogicalResult importRotary(Node &node) {
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
  if (heads < 1 || shape[2] % heads)
    return node.invalid("cannot divide a width of " + Twine(shape[2]) +
                        " into " + Twine(heads) + " heads (num_heads)");
  int64_t width = shape[2] / heads;
  rotated = rotated == 0 ? width : rotated;
  if (rotated < 2 || rotated % 2 || rotated > width)
    return node.invalid("cannot rotate " + Twine(rotated) +
                        " elements of heads of " + Twine(width));
  Value cos = tokenCache(node, 1, shape.take_front(2), rotated / 2);
  Value sin = cos ? tokenCache(node, 2, shape.take_front(2), rotated / 2) : cos;
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

ArrayRef<Operator> attentionOperators() {
  static constexpr Operator table[] = {
      {"Attention", 23,
       "Q:float K:float V:float attn_mask:any? past_key:any? past_value:any? "
       "nonpad_kv_seqlen:any?",
       importAttention},
      {"RotaryEmbedding", 23,
       "X:float cos_cache:float sin_cache:float position_ids:ids?",
       importRotary},
  };
  return table;
}

} // namespace fp8c
