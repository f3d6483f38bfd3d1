//===- SourcePrinter.h - A program as C++ or CUDA C++ -----------*- C++ -*-===//

#ifndef TARGET_SOURCE_SOURCEPRINTER_H
#define TARGET_SOURCE_SOURCEPRINTER_H

#include "mlir/IR/BuiltinOps.h"

namespace fp8c::target {

/// What a program is compiled for.
enum class Target { cpu, cuda };

/// The target of a name, as `fp8c compile --target` takes it.
inline Target getTarget(llvm::StringRef name) {
  return name == "cuda" ? Target::cuda : Target::cpu;
}

/// Lets the ops of the exec dialect be printed by `printSource`.
void registerSourceModels(mlir::DialectRegistry &registry);

/// Prints a planned exec module as one file of C++20, or of CUDA C++20, against
/// the target's kernel library: a functor per kernel, then a function per
/// program function in schedule order.
mlir::LogicalResult printSource(mlir::ModuleOp module, Target target,
                                llvm::raw_ostream &os);

} // namespace fp8c::target

#endif // TARGET_SOURCE_SOURCEPRINTER_H
