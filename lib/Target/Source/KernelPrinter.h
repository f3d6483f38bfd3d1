//===- KernelPrinter.h - Kernels as C++ functors ----------------*- C++ -*-===//

#ifndef TARGET_SOURCE_KERNELPRINTER_H
#define TARGET_SOURCE_KERNELPRINTER_H

#include "Exec/IR/Exec.h"

namespace fp8c::target {

/// Prints a kernel as a functor of the kernel library's skeletons. The text is
/// the same for every target, but for CUDA's __device__: what differs is the
/// library it is compiled with.
void printKernel(exec::KernelOp kernel, bool isCUDA, llvm::raw_ostream &os);

/// A float literal that reads back exactly.
std::string getFloatLiteral(const llvm::APFloat &value);

/// An integer of its type, or a truth value.
std::string getIntegerLiteral(const llvm::APInt &value);

} // namespace fp8c::target

#endif // TARGET_SOURCE_KERNELPRINTER_H
