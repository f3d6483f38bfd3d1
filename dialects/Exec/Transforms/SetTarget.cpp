//===- SetTarget.cpp - exec-set-target ------------------------------------===//

#include "Exec/IR/Exec.h"
#include "Exec/Transforms/Passes.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::exec;

namespace fp8c::exec {
#define GEN_PASS_DEF_SETTARGET
#include "Exec/Transforms/Passes.h.inc"
} // namespace fp8c::exec

namespace {
struct SetTarget : exec::impl::SetTargetBase<SetTarget> {
  using Base::Base;
  void runOnProgram() override {
    auto attr = TargetAttr::getFor([&] { return getOperation().emitError(); },
                                   &getContext(), target, gpu);
    if (!attr)
      return signalPassFailure();
    getOperation()->setDiscardableAttr(kTargetAttr, attr);
  }
};
} // namespace
