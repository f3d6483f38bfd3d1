//===- lower-linalg.cpp - The FP8 passes in somebody else's program -------===//
//
//   $ lower-linalg model.mlir
//
//===----------------------------------------------------------------------===//

#include "fp8c/Dialects.h"
#include "fp8c/Passes.h"
#include "fp8c/UpstreamModels.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"

using namespace mlir;

int main(int argc, char **argv) {
  DialectRegistry registry;
  registry.insert<func::FuncDialect, linalg::LinalgDialect>();
  fp8c::registerUpstreamModels(registry);
  MLIRContext context(registry);
  auto module = parseSourceFile<ModuleOp>(argv[1], &context);
  PassManager passes(&context);
  fp8c::fp8::AssignPrecisionOptions precision;
  precision.recipe = "fp8-current";
  passes.addPass(fp8c::fp8::createAssignPrecision(precision));
  passes.addPass(fp8c::fp8::createInsertScaling());
  if (!module || failed(passes.run(*module)))
    return 1;
  module->print(llvm::outs());
  unsigned products = 0;
  module->walk([&](fp8c::fp8::MatmulOp) { ++products; });
  llvm::outs() << "products in FP8: " << products << "\n";
  return 0;
}
