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

/// What a contraction computes, as the words of `gemm:` in a recipe.
llvm::StringRef getGemm(mlir::Operation *contraction);

/// What an operand of a contraction is called after the contraction's name:
/// "x", "w" or "dy" by its role, or its side ("lhs" or "rhs") if both have one
/// role.
llvm::StringRef getOperandSuffix(llvm::StringRef role,
                                 llvm::StringRef otherRole,
                                 llvm::StringRef side);

} // namespace fp8c::fp8

#endif // FP8_TRANSFORMS_VALUEROLES_H
