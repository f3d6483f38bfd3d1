//===- BuildCUDA.cpp - Build a program for NVIDIA GPUs --------------------===//

#include "Target/CUDA/BuildCUDA.h"

#include "Exec/IR/Exec.h"
#include "Target/Common/ProgramFolder.h"
#include "kernels/common/shared_memory.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::target;

/// Every kernel's whole rows must fit into the GPU's shared memory. Others
/// choose a size that does.
static LogicalResult checkSharedMemory(ModuleOp module) {
  const TargetTraits &target = getTarget(module);
  int64_t available = target.sharedMemoryBytes - declared_shared_bytes;
  SymbolTable symbols(module);
  WalkResult result = module.walk([&](exec::LaunchOp launch) {
    auto kernel = symbols.lookup<exec::KernelOp>(launch.getKernel());
    exec::AcrossRows across = exec::getAcrossRows(kernel);
    if (!across || exec::isElementwise(kernel))
      return WalkResult::advance();
    int64_t bytes =
        rows_tiled_bytes(launch.getCols(), across.transposedCopies, available);
    if (bytes <= available)
      return WalkResult::advance();
    InFlightDiagnostic diag = emitError(launch.getLoc());
    diag << "the kernel @" << launch.getKernel() << " works on whole rows of "
         << launch.getCols() << " elements, which take "
         << llvm::divideCeil(bytes, 1024) << " KiB of shared memory; "
         << target.name << " has " << available / 1024 << " KiB for it";
    diag.attachNote() << "compile for another GPU with --gpu, or with a recipe "
                         "that keeps fewer FP8 copies, as bf16, and with "
                         "--sum-rows 0";
    return WalkResult::interrupt();
  });
  return failure(result.wasInterrupted());
}

LogicalResult fp8c::target::buildCUDA(ModuleOp module, OutputFolder &folder,
                                      const CUDABuildOptions &options) {
  if (failed(checkSharedMemory(module)))
    return failure();
  auto compile = [&](StringRef source, StringRef library) -> LogicalResult {
    std::optional<std::string> compiler = findCompiler(options.compiler);
    if (!compiler &&
        options.compiler == "nvcc") // its folder is often not on PATH
      compiler = findCompiler("nvcc", {"/usr/local/cuda/bin"});
    if (!compiler)
      return emitError(module.getLoc(), "found no CUDA compiler '")
             << options.compiler
             << "': install the CUDA toolkit (12.8 or newer), put its bin "
                "folder on PATH, or name "
             << "nvcc with --cuda-compiler; no GPU is needed to compile";
    std::string include = "-I" + options.includeDir,
                arch = "-arch=" + getTargetAttr(module).getArchitecture().str();
    // No contraction, as on the CPU: only fma() fuses, so that both targets
    // round alike. Host code is only launches: without -O it compiles in a
    // fraction of the time, device code is optimised all the same.
    StringRef arguments[] = {*compiler,
                             "-std=c++20",
                             arch,
                             "-fmad=false",
                             "--extended-lambda",
                             "-lineinfo",
                             "-DNDEBUG",
                             "--shared",
                             "-Xcompiler",
                             "-fPIC",
                             "-cudart",
                             "shared",
                             include,
                             source,
                             "-o",
                             library};
    return runCompiler(module, folder, arguments);
  };
  return buildProgram(module, folder, {"step.cu", compile});
}
