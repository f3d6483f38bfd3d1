//===- BuildCPU.cpp - Build a program for the CPU -------------------------===//

#include "Target/CPU/BuildCPU.h"

#include "Target/Common/ProgramFolder.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::target;

LogicalResult fp8c::target::buildCPU(ModuleOp module, OutputFolder &folder,
                                     const CPUBuildOptions &options) {
  auto compile = [&](StringRef source, StringRef library) -> LogicalResult {
    std::optional<std::string> compiler = findCompiler(options.compiler);
    if (!compiler)
      return emitError(module.getLoc(), "found no host compiler '")
             << options.compiler
             << "': install g++ (apt-get install g++) or name another with "
                "--host-compiler";
    std::string level = "-O" + options.optimization,
                include = "-I" + options.includeDir;
    // Of several OpenBLAS builds the one that shares its threads with the
    // kernels.
    std::string rpath =
        ("-Wl,-rpath," + llvm::sys::path::parent_path(FP8C_OPENBLAS_LIBRARY))
            .str();
    // Strict IEEE arithmetic, without the traps and errno that would keep loops
    // from being vectorised.
    StringRef arguments[] = {*compiler,
                             "-std=c++20",
                             level,
                             "-march=native",
                             "-fopenmp",
                             "-ffp-contract=off",
                             "-fno-math-errno",
                             "-fno-trapping-math",
                             "-DNDEBUG",
                             "-shared",
                             "-fPIC",
                             include,
                             source,
                             "-o",
                             library,
                             FP8C_OPENBLAS_LIBRARY,
                             rpath};
    return runCompiler(module, folder, arguments);
  };
  return buildProgram(module, folder, {"step.cpp", compile});
}
