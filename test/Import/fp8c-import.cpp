//===- fp8c-import.cpp - Imports a model and prints it, for tests ---------===//
//
//   fp8c-import model.onnx [--batch N] [--seq N]
//
//===----------------------------------------------------------------------===//

#include "Import/ONNX/ImportONNX.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/CommandLine.h"

namespace cl = llvm::cl;

static cl::opt<std::string> path(cl::Positional, cl::Required,
                                 cl::desc("<model.onnx>"));
static cl::opt<int64_t> batch("batch", cl::desc("Size of the open batch"));
static cl::opt<int64_t> seq("seq", cl::desc("Length of open sequences"));

int main(int argc, char **argv) {
  cl::ParseCommandLineOptions(argc, argv, "Imports an ONNX model\n");
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  fp8c::ImportONNXOptions options;
  options.batch = batch;
  options.seq = seq;
  mlir::OwningOpRef<mlir::ModuleOp> module =
      fp8c::importONNX(path, options, context);
  if (!module)
    return 1;
  module->print(llvm::outs());
  return 0;
}
