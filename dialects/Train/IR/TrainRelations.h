//===- TrainRelations.h - What belongs together in an update ----*- C++ -*-===//

#ifndef TRAIN_IR_TRAINRELATIONS_H
#define TRAIN_IR_TRAINRELATIONS_H

#include "Train/IR/Train.h"

namespace fp8c::train {

/// Checks that the value of an assignment is for its variable: the update of
/// that one with its own gradient and moments, codes by its own scale, the
/// history of its own site. What cannot be followed to variables passes.
mlir::LogicalResult verifyRelations(AssignOp assign, VariableOp variable,
                                    mlir::SymbolTableCollection &symbols);

/// Checks that each variable is bounded by its own statistics and gradient.
mlir::LogicalResult verifyRelations(UpdateScalesOp op,
                                    mlir::SymbolTableCollection &symbols);

/// Checks that a variable can belong to the one that it names: a gradient to a
/// parameter of its shape, statistics to what is stored.
mlir::LogicalResult verifyOwner(VariableOp variable, VariableOp owner);

/// Checks that a hyperparameter is not taken for another.
mlir::LogicalResult verifyHyper(mlir::Operation *op, mlir::Value value,
                                llvm::StringRef symbol);

} // namespace fp8c::train

#endif // TRAIN_IR_TRAINRELATIONS_H
