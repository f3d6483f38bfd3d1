//===- Functions.h - The functions of a program ----------------*- C++ -*-===//
//
// A function says with `train.function` what it is; what it is called matters
// to those who call it alone. Passes find functions by kind, and each is one
// block: see ProgramPass.
//
//===----------------------------------------------------------------------===//

#ifndef TRAIN_IR_FUNCTIONS_H
#define TRAIN_IR_FUNCTIONS_H

#include "Train/IR/Train.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace fp8c::train {

/// On a function: what it is (#train.function). At most one of a module is of a
/// kind.
constexpr llvm::StringLiteral kFunctionAttr = "train.function";

/// What a function is; nothing if it does not say.
std::optional<FunctionKind> getFunctionKind(mlir::Operation *function);

/// Makes `function` one of this kind, and calls it so.
void setFunctionKind(mlir::func::FuncOp function, FunctionKind kind);

/// Null if the module has none of this kind.
mlir::func::FuncOp findFunction(mlir::ModuleOp module, FunctionKind kind);

/// The function of this kind; an error at the module, with what to do, if there
/// is none.
mlir::FailureOr<mlir::func::FuncOp> requireFunction(mlir::ModuleOp module,
                                                    FunctionKind kind,
                                                    llvm::StringRef whatToDo);

/// An error at the module if it has a function of this kind, or another symbol
/// that is called as one is going to be. `question` asks how that came.
mlir::LogicalResult verifyAbsent(mlir::ModuleOp module, FunctionKind kind,
                                 llvm::StringRef question);

/// Is the op in the function of this kind?
bool isInFunction(mlir::Operation *op, FunctionKind kind);

/// The functions that passes work on: those of one block. Declarations of
/// functions that others define are left alone.
llvm::SmallVector<mlir::func::FuncOp> getFunctions(mlir::ModuleOp module);

/// A pass over the functions of a program. It refuses modules with a function
/// of several blocks in which there are ops of ours: none would look into the
/// others.
class ProgramPass : public mlir::OperationPass<mlir::ModuleOp> {
public:
  using OperationPass::OperationPass;

protected:
  void runOnOperation() final;
  virtual void runOnProgram() = 0;
};

} // namespace fp8c::train

#endif // TRAIN_IR_FUNCTIONS_H
