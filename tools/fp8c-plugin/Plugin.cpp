//===- Plugin.cpp - fp8c in somebody else's mlir-opt ----------------------===//
//
// One file for --load-dialect-plugin and --load-pass-plugin: all dialects,
// passes and pipelines, and the models by which the FP8 passes know linalg.
//
//===----------------------------------------------------------------------===//

#include "fp8c/LinalgModels.h"
#include "fp8c/Pipelines.h"
#include "mlir/Tools/Plugins/DialectPlugin.h"
#include "mlir/Tools/Plugins/PassPlugin.h"

static void registerDialects(mlir::DialectRegistry *registry) {
  fp8c::registerDialects(*registry);
  fp8c::registerLinalgModels(*registry);
}

extern "C" LLVM_ATTRIBUTE_WEAK mlir::DialectPluginLibraryInfo
mlirGetDialectPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "fp8c", LLVM_VERSION_STRING,
          registerDialects};
}

extern "C" LLVM_ATTRIBUTE_WEAK mlir::PassPluginLibraryInfo
mlirGetPassPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "fp8c", LLVM_VERSION_STRING,
          fp8c::registerPasses};
}
