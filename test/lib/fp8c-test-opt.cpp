//===- fp8c-test-opt.cpp - fp8c-opt with the test dialect -----------------===//

#include "Target/Source/SourcePrinter.h"
#include "TestCompile.h"
#include "TestDialect.h"
#include "TestSplitAllReduce.h"
#include "fp8c/Pipelines.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  fp8c::registerDialects(registry);
  fp8c::target::registerSourceModels(registry);
  registry.insert<test::TestDialect>();
  fp8c::registerPasses();
  test::registerTestCompile();
  test::registerTestSplitAllReduce();
  return mlir::asMainReturnCode(mlir::MlirOptMain(
      argc, argv, "fp8c optimizer driver with the test dialect\n", registry));
}
