//===- AttentionCore.cpp - Attention, whichever operator asks -------------===//

#include "Import/ONNX/AttentionCore.h"

#include "Train/IR/Train.h"

#include <cmath>

using namespace mlir;

namespace fp8c {

Value mergeHeads(Node &node, Value value) {
  ArrayRef<int64_t> shape = shapeOf(value);
  Value turned = node.transpose(value, {0, 2, 1, 3});
  return node.reshape(turned, {shape[0], shape[2], shape[1] * shape[3]});
}

Value splitHeads(Node &node, Value value, int64_t heads) {
  ArrayRef<int64_t> shape = shapeOf(value);
  Value split =
      node.reshape(value, {shape[0], shape[1], heads, shape[2] / heads});
  return node.transpose(split, {0, 2, 1, 3});
}

/// What train.attention's verifier would say less clearly.
static LogicalResult checkShapes(Node &node, const AttentionRequest &request) {
  ArrayRef<int64_t> q = shapeOf(request.query), k = shapeOf(request.key),
                    v = shapeOf(request.value);
  int64_t heads = request.heads, kvHeads = request.kvHeads;
  if (heads < 1 || kvHeads < 1 || heads % kvHeads)
    return node.invalid("has " + Twine(heads) +
                        " query heads, no multiple of its " + Twine(kvHeads) +
                        " key and value heads");
  if (q[0] != k[0] || q[0] != v[0] || k[1] != v[1])
    return node.invalid("has a query, key and value of different batches, or a "
                        "key and value of different lengths");
  if (q[2] % heads || k[2] % kvHeads || v[2] % kvHeads ||
      q[2] / heads != k[2] / kvHeads)
    return node.invalid("cannot divide its query " + toString(q) + " and key " +
                        toString(k) + " into heads of equal width");
  return success();
}

/// [B, heads, S, D] of [B, S, kvHeads * D]: neighbouring heads share one.
static Value repeatHeads(Node &node, Value value, const AttentionRequest &is) {
  Value split = splitHeads(node, value, is.kvHeads);
  Shape shape(shapeOf(split));
  int64_t times = is.heads / is.kvHeads;
  Shape apart = {shape[0], shape[1], 1, shape[2], shape[3]}, repeated(apart);
  repeated[2] = times;
  shape[1] = is.heads;
  if (times == 1)
    return split;
  Value each = node.broadcast(node.reshape(split, apart), repeated);
  return node.reshape(each, shape);
}

/// softmax(cap(scale * q k^T) + mask) v, op by op.
static Value createByOps(Node &node, const AttentionRequest &is, float scale) {
  Value q = splitHeads(node, is.query, is.heads);
  Value k = repeatHeads(node, is.key, is), v = repeatHeads(node, is.value, is);
  auto give = [&](int64_t mode, Value scores) {
    if (is.scoresMode == mode)
      (void)node.yield(scores, is.scoresAt);
  };
  Value scores =
      node.create<train::MatmulOp>(q, k, Shape{3}, Shape{3}, /*batch=*/2);
  scores = node.create<train::MulOp>(scores, node.scalar(scale));
  give(0, scores);
  if (is.softcap > 0.0f) {
    Value cap = node.scalar(is.softcap);
    Value inner = node.create<train::DivOp>(scores, cap);
    Value bounded = node.create<train::TanhOp>(inner);
    scores = node.create<train::MulOp>(bounded, cap);
  }
  give(1, scores);
  if (is.mask)
    scores = is.mask->apply(scores);
  give(2, scores);
  Value probabilities = node.create<train::SoftmaxOp>(scores.getType(), scores);
  if (is.mask)
    probabilities = is.mask->clearBlindRows(probabilities);
  give(3, probabilities);
  return mergeHeads(node,
                    node.create<train::MatmulOp>(probabilities, v, Shape{3},
                                                 Shape{2}, /*batch=*/2));
}

Value createAttention(Node &node, const AttentionRequest &request) {
  if (failed(checkShapes(node, request)))
    return {};
  Shape shape(shapeOf(request.query));
  int64_t headDim = shape[2] / request.heads;
  float scale = request.scale.value_or(float(1.0 / std::sqrt(double(headDim))));
  bool isCausal = false;
  bool isPlain = !request.mask || request.mask->isPlain(isCausal);
  if (!isPlain || request.softcap > 0.0f || node.wants(request.scoresAt))
    return createByOps(node, request, scale);
  Shape statistics = {shape[0], request.heads, shape[1]};
  shape[2] = shapeOf(request.value)[2] / request.kvHeads * request.heads;
  auto type = cast<RankedTensorType>(request.query.getType());
  return node
      .create<train::AttentionOp>(
          TypeRange{type.clone(shape), type.clone(statistics)}, request.query,
          request.key, request.value, /*bias=*/Value(), /*lengths=*/Value(),
          request.heads, request.kvHeads, llvm::APFloat(scale), isCausal,
          /*window=*/IntegerAttr(), /*softcap=*/FloatAttr())
      .getOutput();
}

} // namespace fp8c
