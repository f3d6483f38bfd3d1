//===- Plugin.cpp - fp8c in somebody else's mlir-opt ----------------------===//
//
// One file for --load-dialect-plugin and --load-pass-plugin: all dialects,
// passes and pipelines, and the models by which the FP8 passes know linalg.
//
// mlir-opt refuses plug-ins of another plug-in interface without saying why,
// and that interface's version is the same in every MLIR: so the plug-in itself
// sees what it was loaded into.
//
//===----------------------------------------------------------------------===//

#include "fp8c/Pipelines.h"
#include "fp8c/UpstreamModels.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Tools/Plugins/DialectPlugin.h"
#include "mlir/Tools/Plugins/PassPlugin.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include <dlfcn.h>

/// The plug-in interface's version, or what no MLIR takes, with an error, if
/// the process has another MLIR. Its functions come first where ours are looked
/// up, whether it is a library or part of the program.
static uint32_t getAPIVersion() {
  static const uint32_t version = [] {
    void (*function)(const mlir::PassAllocatorFunction &) = mlir::registerPass;
    Dl_info found;
    if (dladdr(reinterpret_cast<void *>(function), &found) == 0 ||
        llvm::sys::path::filename(found.dli_fname)
            .starts_with(FP8C_MLIR_LIBRARY))
      return MLIR_PLUGIN_API_VERSION;
    llvm::errs() << "fp8c-plugin: error: was built with MLIR "
                 << LLVM_VERSION_STRING << " (" FP8C_MLIR_LIBRARY
                 << "), but is loaded into the MLIR of " << found.dli_fname
                 << "\nhint: load it into an mlir-opt that is linked "
                    "with " FP8C_MLIR_LIBRARY
                    ", or build fp8c with the other MLIR\n";
    return 0;
  }();
  return version;
}

static void registerDialects(mlir::DialectRegistry *registry) {
  fp8c::registerDialects(*registry);
  fp8c::registerUpstreamModels(*registry);
}

extern "C" LLVM_ATTRIBUTE_WEAK mlir::DialectPluginLibraryInfo
mlirGetDialectPluginInfo() {
  return {getAPIVersion(), "fp8c", LLVM_VERSION_STRING, registerDialects};
}

extern "C" LLVM_ATTRIBUTE_WEAK mlir::PassPluginLibraryInfo
mlirGetPassPluginInfo() {
  return {getAPIVersion(), "fp8c", LLVM_VERSION_STRING, fp8c::registerPasses};
}
