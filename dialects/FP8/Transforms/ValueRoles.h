//===- ValueRoles.h - Weights, gradients and activations -------*- C++ -*-===//

#ifndef FP8_TRANSFORMS_VALUEROLES_H
#define FP8_TRANSFORMS_VALUEROLES_H

#include "Train/IR/Train.h"

namespace fp8c::fp8 {

/// What values are, as the words of `operand:` in a recipe. A weight is a
/// parameter, possibly moved or cast; a gradient is what backward ops compute;
/// an activation is all else. To be fed the ops in program order.
class ValueRoles {
public:
  explicit ValueRoles(mlir::ModuleOp module);

  void visit(mlir::Operation *op);
  llvm::StringRef get(mlir::Value value) const;

private:
  llvm::DenseSet<mlir::StringAttr> parameters;
  llvm::DenseMap<mlir::Value, llvm::StringRef> roles;
};

} // namespace fp8c::fp8

#endif // FP8_TRANSFORMS_VALUEROLES_H
