//===- ProgramFacts.h - What recipes ask of a program ----------*- C++ -*-===//

#ifndef FP8_TRAINING_PROGRAMFACTS_H
#define FP8_TRAINING_PROGRAMFACTS_H

#include "FP8/Training/ModelParts.h"
#include "FP8/Training/StorageFlow.h"
#include "FP8/Transforms/Programs.h"
#include "Train/IR/Functions.h"

namespace fp8c::fp8 {

/// Of a module of the train dialect: how its variables are stored, what is
/// computed for them, and which part of the model an op belongs to.
class TrainingFacts : public ProgramFacts {
public:
  TrainingFacts(mlir::ModuleOp module, RecipeEvaluator &evaluator);

  mlir::LogicalResult assignVariables() override;
  void visit(mlir::Operation *op) override;
  void addTo(OpFacts &facts, mlir::Operation *op) override;
  std::optional<Format> getFormat(mlir::OpResult result) override;
  bool isCounted(mlir::Operation *op) override {
    return counting && op->getParentOfType<mlir::func::FuncOp>() == counting;
  }

private:
  mlir::LogicalResult assignVariable(train::VariableOp variable);
  void notePartNames(train::VariableOp variable);
  void notePartNames(train::ReadOp read);

  mlir::ModuleOp module;
  mlir::SymbolTable symbols;
  RecipeEvaluator &evaluator;
  ModelParts parts;
  /// The function whose products are counted.
  mlir::func::FuncOp counting;
  /// What variables are stored in, as far as values are computed for it.
  llvm::DenseMap<mlir::StringAttr, mlir::FloatType> storage;
  std::optional<StorageFlow> flow;
  /// Ops that read each parameter.
  llvm::DenseMap<mlir::StringAttr, llvm::SmallVector<llvm::StringRef>> usedBy;
  /// What the model calls the parts of variables, and the products that read
  /// parts of one.
  llvm::DenseMap<llvm::StringRef, llvm::SmallVector<llvm::StringRef>> partNames;
  /// Gradients that @micro adds to.
  llvm::DenseSet<mlir::StringAttr> accumulated;
  /// Floats that are computed element by element from integers, constants and
  /// tables alone: positions and their angles, masks; and those constants and
  /// tables.
  llvm::DenseSet<mlir::Value> counted, given;
};

} // namespace fp8c::fp8

#endif // FP8_TRAINING_PROGRAMFACTS_H
