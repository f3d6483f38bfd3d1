//===- BuildCPU.h - Build a program for the CPU -----------------*- C++ -*-===//

#ifndef TARGET_CPU_BUILDCPU_H
#define TARGET_CPU_BUILDCPU_H

#include "mlir/IR/BuiltinOps.h"

namespace fp8c::target {

class OutputFolder;

struct CPUBuildOptions {
  std::string includeDir; ///< of the runtime: kernels/ and core/ are below it
  std::string compiler = "c++";   ///< host compiler
  std::string optimization = "3"; ///< its -O level
};

/// Writes a program into `folder`, with step.cpp; see buildProgram.
mlir::LogicalResult buildCPU(mlir::ModuleOp module, OutputFolder &folder,
                             const CPUBuildOptions &options);

} // namespace fp8c::target

#endif // TARGET_CPU_BUILDCPU_H
