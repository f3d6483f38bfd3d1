//===- LinearMap.h - Features as sums of other features ---------*- C++ -*-===//
//
// A rotation comes in many forms: halves that change places, pairs that are
// stacked, parts that stay. What all of them compute is a matrix for each token
// that turns the features of one value into others.
//
//===----------------------------------------------------------------------===//

#ifndef TRAIN_TRANSFORMS_RECOMPOSE_LINEARMAP_H
#define TRAIN_TRANSFORMS_RECOMPOSE_LINEARMAP_H

#include "Train/Transforms/Recompose/Match.h"

#include <map>
#include <vector>

namespace fp8c::train {

/// A number for each token; one for all of them has size 1.
using PerToken = std::vector<float>;

/// The features of a value of four dimensions or more, of which the first three
/// say whose they are: a feature is a sum of features of `source`, each times a
/// number for each token.
struct LinearMap {
  mlir::Value source;
  /// Of the first three, the dimension that counts tokens; -1 while no number
  /// depends on it.
  int64_t tokenDim = -1;
  /// By the index of a feature, rows numbered through: by the source's feature.
  std::vector<std::map<int64_t, PerToken>> features;
};

/// Follows slices, joins, sums and products with constants back to one source.
class LinearMapReader {
public:
  /// Goes no further back than to `end`.
  explicit LinearMapReader(mlir::Value end) : end(end) {}

  std::optional<LinearMap> read(mlir::Value value, int depth = 0);

private:
  std::optional<LinearMap> readOperation(mlir::Value value, int depth);
  std::optional<LinearMap> concat(ConcatOp op, int depth);

  mlir::Value end;
  /// Of values with several users.
  llvm::DenseMap<mlir::Value, std::optional<LinearMap>> known;
};

} // namespace fp8c::train

#endif // TRAIN_TRANSFORMS_RECOMPOSE_LINEARMAP_H
