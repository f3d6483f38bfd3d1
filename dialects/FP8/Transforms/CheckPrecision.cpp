//===- CheckPrecision.cpp - fp8-check-precision ---------------------------===//

#include "FP8/IR/Precision.h"
#include "FP8/Transforms/Passes.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::fp8;

namespace fp8c::fp8 {
#define GEN_PASS_DEF_CHECKPRECISION
#include "FP8/Transforms/Passes.h.inc"
} // namespace fp8c::fp8

namespace {
struct CheckPrecision : fp8::impl::CheckPrecisionBase<CheckPrecision> {
  using Base::Base;
  void runOnOperation() override {
    getOperation()->walk([&](Operation *op) {
      Attribute precision = op->getDiscardableAttr(kPrecisionAttr);
      if (!precision)
        return;
      op->emitOpError("still has the precision ")
          << precision
          << ", which no pass has carried out: run fp8-insert-scaling before, "
             "in a training program train-apply-precision and "
             "fp8-lower-states too";
      signalPassFailure();
    });
  }
};
} // namespace
