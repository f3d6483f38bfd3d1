//===- Attention.cpp - ONNX's attention -----------------------------------===//

#include "Import/ONNX/AttentionCore.h"
#include "Import/ONNX/ConstantMath.h"
#include "Import/ONNX/Operators.h"
#include "Train/IR/Train.h"

using namespace mlir;

namespace fp8c {

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

/// The past keys or values of input i [batch, heads, past, dim] in front of
/// others, which have their heads apart as well. Null, with an error, where
/// they do not fit.
static Value prependPast(Node &node, unsigned i, Value present) {
  if (!node.has(i))
    return present;
  Shape shape(shapeOf(present)), past(node.shape(i));
  if (past.size() == 4 && past[2] == 0)
    return present; // None yet.
  Shape expected(shape);
  if (past.size() == 4)
    expected[2] = past[2];
  if (past != expected || !node.type(i).getElementType().isF32()) {
    (void)node.invalid("has past keys or values " + toString(past) +
                       " that do not fit " + toString(shape));
    return {};
  }
  shape[2] += past[2];
  Value first = node.value(i);
  return node.create<train::ConcatOp>(node.type(i).clone(shape),
                                      ValueRange{first, present}, 2);
}

/// Keys from `nonpad_kv_seqlen` [batch] on are padding, and the causal order
/// ends with the last that is none.
static LogicalResult addPadding(Node &node, AttentionMask &mask,
                                ArrayRef<int64_t> scores, bool isCausal) {
  if (node.rank(6) != 1 || node.shape(6)[0] != scores[0])
    return node.invalid("needs one nonpad_kv_seqlen for each of a batch of " +
                        Twine(scores[0]) + ", not " + toString(node.shape(6)));
  if (!node.type(6).getElementType().isInteger(64))
    return node.invalid("needs a nonpad_kv_seqlen of int64");
  const Constant *lengths = node.constant(6);
  if (!lengths && isCausal)
    return node.unsupported("has a causal order that ends with keys whose "
                            "number (nonpad_kv_seqlen) is only known at run "
                            "time");
  if (!lengths) {
    mask.addLengths(node.value(6));
    return success();
  }
  Shape shape = {scores[0], 1, scores[2], scores[3]};
  std::vector<float> numbers;
  for (int64_t length : lengths->integers())
    for (int64_t query = 0; query < scores[2]; ++query)
      for (int64_t key = 0; key < scores[3]; ++key) {
        bool isSeen =
            key < length && (!isCausal || key <= query + length - scores[2]);
        numbers.push_back(isSeen ? 0.0f : -HUGE_VALF);
      }
  mask.addBias(Constant(node.type(0).clone(shape), std::move(numbers)));
  return success();
}

static LogicalResult readMask(Node &node, AttentionMask &mask,
                              ArrayRef<int64_t> scores, int64_t past) {
  bool isCausal = node.integer("is_causal", 0) != 0;
  int64_t left = -1, right = -1;
  if (node.opset >= 25) {
    left = node.integer("left_window_size", -1);
    right = node.integer("right_window_size", -1);
  }
  if (product(scores.drop_front()) > Constant::maxElements && node.has(3))
    return node.unsupported("has a mask for too many scores: " +
                            toString(scores));
  if (node.has(3) && failed(mask.addInput(3, scores)))
    return failure();
  if (node.has(6)) {
    if (left >= 0 || right >= 0)
      return node.unsupported("sees a window of padded keys");
    return addPadding(node, mask, scores, isCausal);
  }
  if (isCausal)
    mask.addCausal(past);
  mask.addWindow(left, right, past);
  return success();
}

static LogicalResult importAttention(Node &node) {
  node.ignore({"softmax_precision"});
  std::optional<float> scale = node.number("scale");
  float softcap = node.number("softcap", 0.0f);
  int64_t scoresMode = node.integer("qk_matmul_output_mode", 0);
  std::optional<Heads> heads = readHeads(node);
  if (!heads)
    return failure();
  if (node.has(4) != node.has(5))
    return node.invalid("needs past keys and values together");
  bool isSplit = node.rank(0) == 4;
  Value q = node.value(0), k = node.value(1), v = node.value(2);
  if (isSplit)
    q = mergeHeads(node, q);
  // Present keys and values have their heads apart.
  if (!isSplit && (node.has(4) || node.wants(1) || node.wants(2))) {
    if (shapeOf(k)[2] % heads->keyValue || shapeOf(v)[2] % heads->keyValue)
      return node.invalid("cannot divide its key " + toString(node.shape(1)) +
                          " into heads of equal width");
    k = splitHeads(node, k, heads->keyValue);
    v = splitHeads(node, v, heads->keyValue);
  }
  int64_t past = 0;
  if (shapeOf(k).size() == 4) {
    int64_t own = shapeOf(k)[2];
    k = prependPast(node, 4, k);
    v = k ? prependPast(node, 5, v) : k;
    if (!v)
      return failure();
    past = shapeOf(k)[2] - own;
    (void)node.yield(k, 1);
    (void)node.yield(v, 2);
    k = mergeHeads(node, k);
    v = mergeHeads(node, v);
  }
  Shape scores = {shapeOf(q)[0], heads->query, shapeOf(q)[1], shapeOf(k)[1]};
  AttentionMask mask(node, scores[2], scores[3]);
  if (failed(readMask(node, mask, scores, past)))
    return failure();
  AttentionRequest request{q,
                           k,
                           v,
                           heads->query,
                           heads->keyValue,
                           scale,
                           softcap,
                           &mask,
                           /*scoresAt=*/3,
                           scoresMode};
  Value output = createAttention(node, request);
  if (!output)
    return failure();
  return node.yield(isSplit ? splitHeads(node, output, heads->query) : output);
}

ArrayRef<Operator> attentionOperators() {
  static constexpr Operator table[] = {
      {"Attention", 23,
       "Q:float K:float V:float attn_mask:any? past_key:any? past_value:any? "
       "nonpad_kv_seqlen:any?",
       importAttention},
  };
  return table;
}

} // namespace fp8c
