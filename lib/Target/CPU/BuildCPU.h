//===- BuildCPU.h - Build a program for the CPU -----------------*- C++ -*-===//

#ifndef TARGET_CPU_BUILDCPU_H
#define TARGET_CPU_BUILDCPU_H

#include "mlir/IR/BuiltinOps.h"

namespace fp8c::target {

struct CPUBuildOptions {
  std::string includeDir; ///< of the runtime: kernels/ and core/ are below it
  std::string compiler = "c++";   ///< host compiler
  std::string optimization = "3"; ///< its -O level
};

/// Writes the program folder `path` with step.cpp; see buildProgram.
mlir::LogicalResult buildCPU(mlir::ModuleOp module, llvm::StringRef path,
                             const CPUBuildOptions &options);

} // namespace fp8c::target

#endif // TARGET_CPU_BUILDCPU_H
