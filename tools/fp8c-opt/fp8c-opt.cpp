//===- fp8c-opt.cpp - Run fp8c passes on MLIR files -----------------------===//

#include "Conversion/TrainToExec/Passes.h"
#include "Exec/IR/Exec.h"
#include "Exec/Transforms/Passes.h"
#include "FP8/Transforms/Passes.h"
#include "Train/IR/Train.h"
#include "Train/Transforms/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  registry.insert<fp8c::exec::ExecDialect, fp8c::fp8::FP8Dialect, fp8c::train::TrainDialect,
                  mlir::memref::MemRefDialect, mlir::arith::ArithDialect,
                  mlir::func::FuncDialect, mlir::math::MathDialect>();
  mlir::registerTransformsPasses();
  fp8c::train::registerTrainPasses();
  fp8c::fp8::registerFP8Passes();
  fp8c::exec::registerExecPasses();
  fp8c::registerConversionPasses();
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "fp8c optimizer driver\n", registry));
}
