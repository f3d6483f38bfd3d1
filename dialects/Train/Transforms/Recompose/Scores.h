//===- Scores.h - What is done to attention's scores ------------*- C++ -*-===//

#ifndef TRAIN_TRANSFORMS_RECOMPOSE_SCORES_H
#define TRAIN_TRANSFORMS_RECOMPOSE_SCORES_H

#include "Train/IR/Masks.h"
#include "Train/Transforms/Recompose/Heads.h"

#include <limits>

namespace fp8c::train {

/// The lowest number takes a score's place (see train.attention): what is added
/// ends above it.
constexpr float kLowest = std::numeric_limits<float>::lowest(),
                kLowestAdded = -3.4e38f;

/// Beside a key with a number above kSeen none with one up to kMasking counts;
/// of a score with one up to kSwallowing nothing is left.
constexpr float kSeen = kMasking / 2;
constexpr double kSwallowing = -1e30;

/// What is added to scores [batch, heads, queries, keys], before they are
/// scaled further: numbers, or `hidden` where a condition is `hides`.
struct Bias {
  mlir::Value value;
  std::shared_ptr<const Plane> plane; ///< broadcasts to the scores; or unknown
  double scale;
  llvm::SmallVector<int64_t> shape; ///< of four dimensions
  std::optional<bool> hides = {};
  double hidden = 0.0;

  double at(int64_t index) const {
    double number = plane->numbers[index];
    if (hides)
      return (number > 0) == *hides ? hidden : 0.0;
    return scale * number;
  }
};

/// Which keys are hidden by their order alone.
struct Order {
  bool isCausal = false;
  int64_t window = 0; ///< keys that a query sees up to its own; 0: all
};

/// softmax(cap(scale * q k^T) + biases) v
struct Parts {
  MatmulOp output;
  SoftmaxOp softmax = {};
  MatmulOp scores = {};
  double scale = 1.0, softcap = 0.0;
  llvm::SmallVector<Bias> biases = {}; ///< but for what is in the following
  Order order = {};
  std::optional<Plane> known = {}; ///< of rank 4
  mlir::Value lengths = {};        ///< [batch]
  /// Conditions of which each keeps some rows of the output; others are 0.
  llvm::SmallVector<mlir::Value> keeps = {};
  std::optional<Heads> query = {}, key = {}, value = {};
};

/// Is it the shape of the scores [batch, heads, queries, keys], or with batch
/// and heads in one?
bool isOfScores(llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<int64_t> scores);

/// From the softmax back to the product of queries and keys; if there is none,
/// `why` says what looks like it.
bool readScores(Parts &parts, MaskReader &masks, std::string &why);

/// Finds out what biases say that has words of its own, or why they cannot be
/// said.
bool readBiases(Parts &parts, MaskReader &masks, std::string &why);

/// What is added to scores, as one value, or null.
mlir::Value makeBias(const Parts &parts, mlir::RewriterBase &rewriter);

} // namespace fp8c::train

#endif // TRAIN_TRANSFORMS_RECOMPOSE_SCORES_H
