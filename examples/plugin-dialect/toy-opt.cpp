//===- toy-opt.cpp - The compiler: toy's ops, fp8c's passes ---------------===//

#include "Conversion/FP8ToUpstream/Passes.h"
#include "FP8/Transforms/Passes.h"
#include "Toy.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  registry.insert<mlir::func::FuncDialect, toy::ToyDialect>();
  fp8c::fp8::registerFP8Passes();
  fp8c::registerFP8ToUpstreamPasses();
  mlir::registerTransformsPasses();
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(argc, argv, "toy's compiler\n", registry));
}
