//===- fp8c-opt.cpp - Run fp8c passes on MLIR files -----------------------===//

#include "fp8c/Pipelines.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  fp8c::registerDialects(registry);
  fp8c::registerPasses();
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(argc, argv, "fp8c optimizer driver\n", registry));
}
