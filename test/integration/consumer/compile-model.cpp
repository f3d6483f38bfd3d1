//===- compile-model.cpp - fp8c's compiler in somebody else's program -----===//
//
//   $ compile-model model.onnx program.fp8x
//
//===----------------------------------------------------------------------===//

#include "Import/ONNX/ImportONNX.h"
#include "fp8c/Compile.h"
#include "mlir/IR/MLIRContext.h"

using namespace mlir;

int main(int argc, char **argv) {
  MLIRContext context;
  fp8c::ImportONNXOptions model;
  model.batch = 2;
  OwningOpRef<ModuleOp> module = fp8c::importONNX(argv[1], model, context);
  fp8c::CompileOptions options;
  options.output = argv[2];
  options.hostOptimization = "0";
  options.requireFP8 = true;
  return failed(module ? fp8c::compile(*module, options) : failure());
}
