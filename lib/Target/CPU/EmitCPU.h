//===- EmitCPU.h - A program as C++ for the CPU -----------------*- C++ -*-===//

#ifndef TARGET_CPU_EMITCPU_H
#define TARGET_CPU_EMITCPU_H

#include "mlir/IR/BuiltinOps.h"

namespace fp8c::target {

/// Prints a planned exec module as one C++20 file against the CPU kernel
/// library: a functor per kernel, then a function per program function in
/// schedule order.
mlir::LogicalResult emitCPU(mlir::ModuleOp module, llvm::raw_ostream &os);

} // namespace fp8c::target

#endif // TARGET_CPU_EMITCPU_H
