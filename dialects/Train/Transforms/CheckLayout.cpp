//===- CheckLayout.cpp - train-check-layout -------------------------------===//

#include "Train/IR/TrainLayout.h"
#include "Train/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

namespace fp8c::train {
#define GEN_PASS_DEF_CHECKLAYOUT
#include "Train/Transforms/Passes.h.inc"
} // namespace fp8c::train

namespace {
struct CheckLayout : train::impl::CheckLayoutBase<CheckLayout> {
  using Base::Base;
  void runOnProgram() override {
    if (isDataParallel(getOperation()) &&
        failed(Layout(getOperation()).verify()))
      signalPassFailure();
  }
};
} // namespace
