//===- AssignPrecision.cpp - fp8-assign-precision -===//

#include "FP8/Transforms/Passes.h"
#include "Train/IR/Train.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace fp8c;

namespace fp8c::fp8 {
#define GEN_PASS_DEF_ASSIGNPRECISION
#include "FP8/Transforms/Passes.h.inc"
} // namespace fp8c::fp8

namespace {
struct AssignPrecision : fp8::impl::AssignPrecisionBase<AssignPrecision> {
  using Base::Base;
  void runOnOperation() override {}
};
} // namespace
