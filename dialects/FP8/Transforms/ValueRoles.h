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

/// Attributes of the results of @observe: the role of the operand, and an array
/// of the contractions that read it, each {op, gemm, operand, contracting}.
/// fp8-insert-scaling adds how a use is quantised, if its scale is current:
/// quantised = {format, tile, margin, pow2}, tile being empty for one scale.
constexpr llvm::StringLiteral kOperandRoleAttr = "fp8.role",
                              kOperandUsesAttr = "fp8.uses",
                              kUseQuantisedKey = "quantised";

/// Attribute of the module: how many uses of activations and gradients have
/// scales of their own amaxes, which only @observe can show.
constexpr llvm::StringLiteral kCurrentUsesAttr = "fp8.current_uses";

} // namespace fp8c::fp8

#endif // FP8_TRANSFORMS_VALUEROLES_H
