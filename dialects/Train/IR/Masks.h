//===- Masks.h - Numbers that are known, however they are made --*- C++ -*-===//
//
// Masks are constants, or computed of constants where these would be too large:
// what matters is which number each score gets.
//
//===----------------------------------------------------------------------===//

#ifndef TRAIN_IR_MASKS_H
#define TRAIN_IR_MASKS_H

#include "Train/IR/Train.h"

#include <vector>

namespace fp8c::train {

/// Numbers of a tensor; truth values are 0 and 1.
struct Plane {
  std::vector<double> numbers;
  /// Of each dimension of the tensor; 0 where numbers are repeated.
  llvm::SmallVector<int64_t> shape, strides;
};

class MaskReader {
public:
  /// What a value is known to be; nothing if it depends on more than constants,
  /// or would be too large to look at.
  std::optional<Plane> read(mlir::Value value, int depth = 0);

private:
  std::optional<Plane> readOperation(mlir::Operation *op, int depth);

  /// Layers share masks.
  llvm::DenseMap<mlir::Attribute, Plane> constants;
};

} // namespace fp8c::train

#endif // TRAIN_IR_MASKS_H
