//===- AttentionCore.h - Attention, whichever operator asks -----*- C++ -*-===//
//
// ONNX has heads either as a dimension, [batch, heads, tokens, dim], or within
// the last one, [batch, tokens, heads * dim], which is the train dialect's way.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_IMPORT_ONNX_ATTENTIONCORE_H
#define FP8C_IMPORT_ONNX_ATTENTIONCORE_H

#include "Import/ONNX/Node.h"
#include "Import/ONNX/Shapes.h"

namespace fp8c {

/// Which keys a query sees, and what is added to its scores. Everything
/// broadcasts to the scores [batch, heads, T, S]; T queries, S keys.
class AttentionMask {
public:
  AttentionMask(Node &node, int64_t queries, int64_t keys)
      : node(node), queries(queries), keys(keys) {}

  /// Query t sees the keys up to t + offset.
  void addCausal(int64_t offset);

  /// Query t sees the keys from t + offset - left to t + offset + right; -1
  /// means all on that side.
  void addWindow(int64_t left, int64_t right, int64_t offset);

  /// Input i: booleans, true for keys that are seen, or floats to be added. An
  /// error where it does not broadcast to [batch, heads, T, S]; with fewer keys
  /// the last ones are not seen.
  mlir::LogicalResult addInput(unsigned i, llvm::ArrayRef<int64_t> scores);

  /// Of each sequence the keys before a length, i64 [batch], are seen.
  void addLengths(mlir::Value lengths);

  /// A condition or floats, known at run time or not.
  void addSeen(mlir::Value condition) { seen.push_back(condition); }
  void addBias(mlir::Value numbers) { added.push_back(numbers); }
  void addBias(const Constant &numbers);

  /// Whether nothing but the causal order, or nothing at all, is left; what the
  /// known numbers say is taken into account.
  bool isPlain(bool &isCausal) const;

  /// The scores with what is added to them; what is not seen gets the lowest
  /// finite number, so that no row is NaN.
  mlir::Value apply(mlir::Value scores) const;

  /// The probabilities, 0 in rows that see no key at all.
  mlir::Value clearBlindRows(mlir::Value probabilities) const;

private:
  template <typename Sees> void addKnown(Sees sees);

  Node &node;
  int64_t queries, keys;
  bool causal = false;          ///< Top left, and not in `bias`.
  std::optional<Constant> bias; ///< -inf for keys that are not seen.
  llvm::SmallVector<mlir::Value> seen, added;
};

/// What an operator asks for. Query [B, T, heads * D], key [B, S, kvHeads * D],
/// value [B, S, kvHeads * Dv].
struct AttentionRequest {
  mlir::Value query, key, value;
  int64_t heads, kvHeads;
  std::optional<float> scale = std::nullopt; ///< 1 / sqrt(D) by default.
  float softcap = 0.0f; ///< Scores become cap * tanh(score / cap).
  const AttentionMask *mask = nullptr;
  unsigned scoresAt = ~0u; ///< The output for the scores, if it is wanted,
  int64_t scoresMode = 0;  ///< 0 as they are, 1 capped, 2 masked, 3 softmax.
};

/// [B, T, heads * Dv]; null, with an error of the node, where the shapes do not
/// fit. One op where that can say it, else products and a softmax.
mlir::Value createAttention(Node &node, const AttentionRequest &request);

/// [batch, heads, tokens, dim] → [batch, tokens, heads * dim]
mlir::Value mergeHeads(Node &node, mlir::Value value);

/// [batch, tokens, heads * dim] → [batch, heads, tokens, dim]
mlir::Value splitHeads(Node &node, mlir::Value value, int64_t heads);

} // namespace fp8c

#endif // FP8C_IMPORT_ONNX_ATTENTIONCORE_H
