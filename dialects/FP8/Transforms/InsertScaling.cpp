//===- InsertScaling.cpp - fp8-insert-scaling -===//

#include "FP8/Transforms/Passes.h"
#include "Train/IR/Train.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace fp8c;

namespace fp8c::fp8 {
#define GEN_PASS_DEF_INSERTSCALING
#include "FP8/Transforms/Passes.h.inc"
} // namespace fp8c::fp8

namespace {
struct InsertScaling : fp8::impl::InsertScalingBase<InsertScaling> {
  using Base::Base;
  void runOnOperation() override {}
};
} // namespace
