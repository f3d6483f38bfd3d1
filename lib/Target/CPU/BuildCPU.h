//===- BuildCPU.h - Build a program folder for the CPU ----------*- C++ -*-===//

#ifndef TARGET_CPU_BUILDCPU_H
#define TARGET_CPU_BUILDCPU_H

#include "mlir/IR/BuiltinOps.h"

namespace fp8c::target {

struct BuildOptions {
  std::string includeDir;        ///< of the runtime: kernels/ and core/ are below it
  std::string compiler = "c++";  ///< host compiler
  std::string optimization = "3"; ///< its -O level
};

/// Writes the program folder `path`: manifest.json, step.cpp, program.so,
/// program.mlir and, where the model came with weights, initial.bin. The folder
/// appears whole or not at all; an older one is replaced. Errors are emitted at the module.
mlir::LogicalResult buildCPU(mlir::ModuleOp module, llvm::StringRef path, const BuildOptions &options);

} // namespace fp8c::target

#endif // TARGET_CPU_BUILDCPU_H
