//===- MicrosoftAttention.cpp - ONNX Runtime's attention ------------------===//
//
// The forms that its optimizer writes for encoders and decoders without a
// cache (docs/ContribOperators.md of ONNX Runtime).
//
//===----------------------------------------------------------------------===//

#include "Import/ONNX/AttentionCore.h"
#include "Import/ONNX/Indexing.h"
#include "Import/ONNX/Operators.h"
#include "Train/IR/Train.h"

using namespace mlir;

namespace fp8c {

/// The given number of features from `first` on of the last dimension.
static Value takeFeatures(Node &node, Value value, int64_t first,
                          int64_t count) {
  Shape sizes(shapeOf(value)), offsets(sizes.size(), 0);
  offsets.back() = first;
  sizes.back() = count;
  return createSlice(node, value, offsets, sizes, Shape(sizes.size(), 1));
}

/// Input i, of integers: [batch, keys] with 0 for padding, or [batch] with the
/// number of keys before it.
static LogicalResult addKeyPadding(Node &node, unsigned i, AttentionMask &mask,
                                   ArrayRef<int64_t> scores) {
  ArrayRef<int64_t> shape = node.shape(i);
  if (shape == scores.take_front()) {
    Value lengths = node.value(i);
    auto type = node.type(i).clone(node.builder.getI64Type());
    mask.addLengths(node.type(i) == type
                        ? lengths
                        : node.create<train::ConvertOp>(type, lengths));
    return success();
  }
  if (shape != ArrayRef<int64_t>({scores[0], scores[3]}))
    return node.unsupported("has a padding mask " + toString(shape) +
                            ", not one of batch and keys, or of batch");
  Shape spread = {scores[0], 1, 1, scores[3]};
  if (const Constant *given = node.constant(i)) {
    std::vector<float> numbers;
    for (int64_t j = 0; j < given->size(); ++j)
      numbers.push_back(given->number(j) != 0 ? 0.0f : -HUGE_VALF);
    mask.addBias(Constant(node.type(0).clone(spread), std::move(numbers)));
    return success();
  }
  RankedTensorType type = node.type(i);
  Value condition = node.create<train::ConvertOp>(
      type.clone(node.builder.getI1Type()), node.value(i));
  mask.addSeen(node.reshape(condition, spread));
  return success();
}

namespace {
/// Where the operators have what they share.
struct MaskInputs {
  unsigned padding, bias;
};
} // namespace

/// Attention of q, k and v, [B, T, heads * D] each.
static LogicalResult attend(Node &node, Value q, Value k, Value v,
                            MaskInputs inputs) {
  // What is not seen gets this number; any low one has a softmax of 0.
  node.ignore({"mask_filter_value"});
  int64_t heads = node.integer("num_heads", 0);
  float scale = node.number("scale", 0.0f);
  Shape scores = {shapeOf(q)[0], heads, shapeOf(q)[1], shapeOf(k)[1]};
  AttentionMask mask(node, scores[2], scores[3]);
  if (node.integer("unidirectional", 0) != 0)
    mask.addCausal(0);
  if (node.has(inputs.padding) &&
      failed(addKeyPadding(node, inputs.padding, mask, scores)))
    return failure();
  if (node.has(inputs.bias) && failed(mask.addInput(inputs.bias, scores)))
    return failure();
  AttentionRequest request{q, k, v, heads, heads};
  if (scale != 0.0f)
    request.scale = scale;
  request.mask = &mask;
  Value output = createAttention(node, request);
  return output ? node.yield(output) : failure();
}

static LogicalResult
refuseInputs(Node &node, std::initializer_list<unsigned> at, StringRef what) {
  for (unsigned i : at)
    if (node.has(i))
      return node.unsupported(what);
  return success();
}

/// x [B, T, C] times weights [C, q + k + v], plus a bias.
static LogicalResult importAttention(Node &node) {
  std::optional<Shape> sizes = node.integerList("qkv_hidden_sizes");
  if (failed(refuseInputs(node, {4, 6}, "has past keys and values")))
    return failure();
  if (node.rank(0) != 3 || node.rank(1) != 2 ||
      node.shape(1)[0] != node.shape(0)[2] ||
      (node.has(2) && node.shape(2) != node.shape(1).drop_front()))
    return node.invalid("cannot multiply " + toString(node.shape(0)) + " by " +
                        toString(node.shape(1)));
  int64_t width = node.shape(1)[1];
  if (!sizes)
    sizes = Shape(3, width / 3);
  bool fits = sizes->size() == 3 && llvm::all_of(*sizes, [&](int64_t size) {
                return size > 0 && size <= width;
              });
  if (!fits || (*sizes)[0] + (*sizes)[1] + (*sizes)[2] != width)
    return node.invalid("cannot divide a width of " + Twine(width) + " into " +
                        toString(*sizes));
  Value all = node.create<train::MatmulOp>(node.value(0), node.value(1),
                                           Shape{2}, Shape{0});
  if (node.has(2))
    all = node.create<train::AddOp>(all, node.value(2));
  Value q = takeFeatures(node, all, 0, (*sizes)[0]);
  Value k = takeFeatures(node, all, (*sizes)[0], (*sizes)[1]);
  Value v = takeFeatures(node, all, (*sizes)[0] + (*sizes)[1], (*sizes)[2]);
  return attend(node, q, k, v, {3, 5});
}

/// query [B, T, C], key and value [B, S, C], and biases [3 C] of all three.
static LogicalResult importMultiHead(Node &node) {
  if (failed(refuseInputs(node, {6, 7, 8, 9}, "has past keys and values")))
    return failure();
  if (!node.has(1) || !node.has(2) || node.rank(0) != 3 || node.rank(1) != 3 ||
      node.rank(2) != 3)
    return node.unsupported("does not have a query, a key and a value of 3 "
                            "dimensions each");
  SmallVector<Value> parts;
  int64_t first = 0;
  for (unsigned i = 0; i < 3; ++i) {
    int64_t width = node.shape(i)[2];
    Value part = node.value(i);
    if (node.has(3)) {
      if (node.rank(3) != 1 || node.shape(3)[0] < first + width)
        return node.invalid("needs biases for its query, key and value, not " +
                            toString(node.shape(3)));
      Value bias = takeFeatures(node, node.value(3), first, width);
      part = node.create<train::AddOp>(part, bias);
    }
    first += width;
    parts.push_back(part);
  }
  return attend(node, parts[0], parts[1], parts[2], {4, 5});
}

ArrayRef<Operator> microsoftAttentionOperators() {
  static constexpr Operator table[] = {
      {"Attention", 1,
       "input:float weights:float bias:float? mask_index:any? past:any? "
       "attention_bias:any? past_sequence_length:any?",
       importAttention, nullptr, microsoftDomain},
      {"MultiHeadAttention", 1,
       "query:float key:float? value:float? bias:float? key_padding_mask:any? "
       "attention_bias:any? past_key:any? past_value:any? "
       "past_sequence_length:any? cache_indirection:any?",
       importMultiHead, nullptr, microsoftDomain},
  };
  return table;
}

} // namespace fp8c
