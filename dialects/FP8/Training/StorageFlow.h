//===- StorageFlow.h - Values on their way into variables ------*- C++ -*-===//

#ifndef FP8_TRAINING_STORAGEFLOW_H
#define FP8_TRAINING_STORAGEFLOW_H

#include "Train/IR/Train.h"

namespace fp8c::fp8 {

/// A value that is assigned to a variable, or that is added to others on its
/// way there, is kept in the variable's format: rounding a weight gradient
/// before it is summed into an f32 accumulator would waste the accumulator.
class StorageFlow {
public:
  /// `storage` gives the variables' formats.
  StorageFlow(mlir::ModuleOp module,
              const llvm::DenseMap<mlir::StringAttr, mlir::FloatType> &storage);

  /// The format and the variable that asks for it; null if none does.
  struct Demand {
    mlir::FloatType format;
    mlir::StringAttr variable;
  };
  Demand get(mlir::Value value) const { return demands.lookup(value); }

private:
  llvm::DenseMap<mlir::Value, Demand> demands;
};

} // namespace fp8c::fp8

#endif // FP8_TRAINING_STORAGEFLOW_H
