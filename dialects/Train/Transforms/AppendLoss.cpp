//===- AppendLoss.cpp - train-append-loss -===//

#include "Train/Transforms/Passes.h"
#include "Train/IR/Train.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace fp8c;

namespace fp8c::train {
#define GEN_PASS_DEF_APPENDLOSS
#include "Train/Transforms/Passes.h.inc"
} // namespace fp8c::train

namespace {
struct AppendLoss : train::impl::AppendLossBase<AppendLoss> {
  using Base::Base;
  void runOnOperation() override {}
};
} // namespace
