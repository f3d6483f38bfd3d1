//===- TrainToExec.cpp - convert-to-exec ----------------------------------===//

#include "Conversion/TrainToExec/FunctionLowering.h"
#include "Conversion/TrainToExec/Passes.h"

using namespace mlir;
using namespace fp8c;

namespace fp8c {
#define GEN_PASS_DEF_CONVERTTOEXEC
#include "Conversion/TrainToExec/Passes.h.inc"
} // namespace fp8c

namespace {
struct ConvertToExec : fp8c::impl::ConvertToExecBase<ConvertToExec> {
  using Base::Base;

  void runOnProgram() override {
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (!function.getBody().hasOneBlock()) {
        function.emitOpError("has no body of one block, as the functions of a "
                             "program have: define it, or leave it out");
        return signalPassFailure();
      }
    const TargetTraits &target = getTarget(getOperation());
    LibraryFeatures features{
        overrule(target.multipliesF32Only, gemmWorkspace),
        overrule(target.gemmBias == GemmBias::ofResultType, gemmBias)};
    Variables variables(getOperation());
    KernelBuilder kernels(getOperation());
    LoweringTable table;
    for (auto function :
         llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>()))
      if (!function->hasAttr(exec::kInputsAttr) && // else it is lowered
          failed(FunctionLowering(function, kernels, variables, table, features)
                     .run()))
        return signalPassFailure();
  }
};
} // namespace
