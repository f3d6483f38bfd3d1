//===- Heads.h - Where heads lie ----------------------------*- C++ -*-===//
//
// Exporters split and turn queries, keys and values before they multiply them;
// train.attention takes them as [batch, tokens, heads * features].
//
//===----------------------------------------------------------------------===//

#ifndef TRAIN_TRANSFORMS_RECOMPOSE_HEADS_H
#define TRAIN_TRANSFORMS_RECOMPOSE_HEADS_H

#include "Train/Transforms/Recompose/Match.h"

namespace fp8c::train {

/// What a dimension, or a factor of it, counts; in the order in which
/// train.attention has it. Heads that share a key follow each other: `repeat`
/// counts them.
enum class Axis { batch, token, head, repeat, feature };
struct Factor {
  Axis axis;
  int64_t size;
};
/// The factors of a dimension, from the outermost on.
using Factors = llvm::SmallVector<Factor, 2>;

/// A value, and where what counts lies in it.
class Heads {
public:
  /// `dims` says what each dimension of the value counts.
  Heads(mlir::Value value, llvm::ArrayRef<Factors> dims);

  /// Goes back through ops that move elements, repeat heads or, where `scales`,
  /// multiply by a number.
  void goBack(bool scales);

  /// The value as [batch, tokens, heads * features], behind where it is made.
  mlir::Value merge(mlir::RewriterBase &rewriter,
                    mlir::Operation *origin) const;

  /// Heads that differ.
  int64_t countHeads() const { return count(Axis::head) * count(Axis::repeat); }
  /// What it is multiplied by behind.
  double getScale() const { return scale; }

private:
  int64_t count(Axis axis) const;
  bool step(bool scales);
  bool stepReshape(ReshapeOp reshape);
  bool stepBroadcast(BroadcastToOp broadcast);

  mlir::Value value;
  llvm::SmallVector<Factors> dims; ///< without factors of size 1
  int64_t batch, tokens;
  double scale = 1.0;
};

/// Heads of [batch, tokens, heads * features] as [batch, heads, tokens,
/// features], or without turning them as [batch, tokens, heads, features].
mlir::Value splitHeads(mlir::RewriterBase &rewriter, mlir::Operation *origin,
                       mlir::Value merged, int64_t heads, bool turns = true);

} // namespace fp8c::train

#endif // TRAIN_TRANSFORMS_RECOMPOSE_HEADS_H
