//===- TrainRelations.h - What belongs together in an update ----*- C++ -*-===//

#ifndef TRAIN_IR_TRAINRELATIONS_H
#define TRAIN_IR_TRAINRELATIONS_H

#include "Train/IR/Train.h"

namespace fp8c::train {

/// Checks that a function reads what there is when it runs: forward functions
/// no gradients and moments, a micro-batch of gradients the sum of its step.
mlir::LogicalResult verifyRelations(ReadOp read, VariableOp variable);

/// Checks that the value of an assignment is for its variable: the update of
/// that one with its own gradient and moments, codes by its own scale, the
/// history of its own site. What cannot be followed to variables passes.
mlir::LogicalResult verifyRelations(AssignOp assign, VariableOp variable,
                                    mlir::SymbolTableCollection &symbols);

/// Checks that hyperparameters stand in their places.
mlir::LogicalResult verifyRelations(AdamWOp op);

/// Checks that each variable is bounded by its own statistics and gradient.
mlir::LogicalResult verifyRelations(UpdateScalesOp op,
                                    mlir::SymbolTableCollection &symbols);

/// Checks that a variable can belong to the one that it names: a gradient to a
/// parameter of its shape, statistics to what is stored.
mlir::LogicalResult verifyOwner(VariableOp variable, VariableOp owner);

/// The operand of an update that is no hyperparameter, but clips gradients.
constexpr llvm::StringLiteral kCoefficient = "coefficient";

/// Checks that a hyperparameter, or the clip coefficient, is not taken for
/// another.
mlir::LogicalResult verifyHyper(mlir::Operation *op, mlir::Value value,
                                llvm::StringRef symbol);

} // namespace fp8c::train

#endif // TRAIN_IR_TRAINRELATIONS_H
