//===- Masks.h - Numbers that are known, however they are made --*- C++ -*-===//
//
// Masks are constants, or computed of constants where these would be too large:
// what matters is which number each score gets.
//
//===----------------------------------------------------------------------===//

#ifndef TRAIN_IR_MASKS_H
#define TRAIN_IR_MASKS_H

#include "Train/IR/Train.h"

#include <memory>
#include <vector>

namespace fp8c::train {

/// Scores are so small beside it that their softmax is 0: exporters that avoid
/// infinities write numbers from here down.
constexpr float kMasking = -1e4f;

/// More are not looked at.
constexpr int64_t kMostNumbers = int64_t(1) << 26;

/// Numbers of a tensor; truth values are 0 and 1.
struct Plane {
  std::vector<float> numbers;
  /// Of each dimension of the tensor; 0 where numbers are repeated.
  llvm::SmallVector<int64_t> shape, strides;
};

/// Leaves out dimensions along which all numbers are the same.
void dropRepeated(Plane &plane);

/// Computes what ops make of constants, as far as masks are made so.
class MaskReader {
public:
  /// What a value is known to be; null if it depends on more than constants, or
  /// would be too large to look at.
  std::shared_ptr<const Plane> read(mlir::Value value, int depth = 0);

  /// To be called when values may have gone.
  void forget() { known.clear(); }

private:
  std::optional<Plane> readOperation(mlir::Operation *op, int depth);

  llvm::DenseMap<mlir::Value, std::shared_ptr<const Plane>> known;
};

} // namespace fp8c::train

#endif // TRAIN_IR_MASKS_H
