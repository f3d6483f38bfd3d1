//===- ValueRoles.h - Weights, gradients and activations -------*- C++ -*-===//

#ifndef FP8_TRANSFORMS_VALUEROLES_H
#define FP8_TRANSFORMS_VALUEROLES_H

#include "FP8/IR/OpNames.h"

namespace fp8c::fp8 {

/// What values are, as the words of `operand:` in a recipe: see
/// ValueRoleOpInterface. To be fed the ops in program order.
class ValueRoles {
public:
  void visit(mlir::Operation *op);
  llvm::StringRef get(mlir::Value value) const;

private:
  /// Of results of ops that are no activations.
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
