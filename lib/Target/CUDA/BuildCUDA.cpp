//===- BuildCUDA.cpp - Build a program for NVIDIA GPUs --------------------===//

#include "Target/CUDA/BuildCUDA.h"

#include "Target/Common/ProgramFolder.h"
#include "mlir/IR/Diagnostics.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::target;

LogicalResult fp8c::target::buildCUDA(ModuleOp module, OutputFolder &folder,
                                      const CUDABuildOptions &options) {
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
                arch = "-arch=" + options.architecture;
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
  return buildProgram(module, folder,
                      {Target::cuda, options.architecture, "step.cu", compile});
}
