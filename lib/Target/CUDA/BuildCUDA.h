//===- BuildCUDA.h - Build a program for NVIDIA GPUs ------------*- C++ -*-===//

#ifndef TARGET_CUDA_BUILDCUDA_H
#define TARGET_CUDA_BUILDCUDA_H

#include "mlir/IR/BuiltinOps.h"

namespace fp8c::target {

class OutputFolder;

struct CUDABuildOptions {
  std::string includeDir; ///< of the runtime: kernels/ and core/ are below it
  std::string compiler = "nvcc"; ///< CUDA compiler, 12.8 or newer
};

/// Writes a program into `folder`, with step.cu, for the architecture that is
/// the module's target; see buildProgram. Needs no GPU. The program calls the
/// runtime's CUDA library (GEMMs, attention), which fp8c-run loads before it.
mlir::LogicalResult buildCUDA(mlir::ModuleOp module, OutputFolder &folder,
                              const CUDABuildOptions &options);

} // namespace fp8c::target

#endif // TARGET_CUDA_BUILDCUDA_H
