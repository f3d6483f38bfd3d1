//===- SourcePrinter.h - A program as C++ or CUDA C++ -----------*- C++ -*-===//

#ifndef TARGET_SOURCE_SOURCEPRINTER_H
#define TARGET_SOURCE_SOURCEPRINTER_H

#include "Exec/IR/Exec.h"
#include "mlir/IR/BuiltinOps.h"

namespace fp8c::target {

/// What the module is compiled for; the cpu if it does not say.
exec::TargetAttr getTargetAttr(mlir::ModuleOp module);
bool isForCUDA(mlir::ModuleOp module);

/// Lets the ops of the exec dialect be printed by `printSource`.
void registerSourceModels(mlir::DialectRegistry &registry);

/// Prints a planned exec module as one file of C++20, or of CUDA C++20 if
/// that is its target, against the target's kernel library: a functor per
/// kernel, then a function per program function in schedule order.
mlir::LogicalResult printSource(mlir::ModuleOp module, llvm::raw_ostream &os);

} // namespace fp8c::target

#endif // TARGET_SOURCE_SOURCEPRINTER_H
