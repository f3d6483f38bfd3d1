//===- RepeatBias.cpp - train-repeat-bias ---------------------------------===//

#include "Train/IR/Train.h"
#include "Train/Transforms/BiasUtils.h"
#include "Train/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

namespace fp8c::train {
#define GEN_PASS_DEF_REPEATBIAS
#include "Train/Transforms/Passes.h.inc"
} // namespace fp8c::train

/// Becomes part of a kernel, which can compute an operand as it goes.
static bool fuses(Operation *op) {
  if (isa<BarrierOp>(op)) // of a value that is computed anew
    return llvm::all_of(op->getUsers(), fuses);
  return isa<ScalarExpansionOpInterface, DecomposableOpInterface>(op);
}

namespace {
struct RepeatBias : train::impl::RepeatBiasBase<RepeatBias> {
  using Base::Base;
  void runOnProgram() override {
    for (func::FuncOp function : getFunctions(getOperation()))
      for (auto add : llvm::make_early_inc_range(function.getOps<AddOp>()))
        if (isBiasOfContraction(add) && llvm::all_of(add->getUsers(), fuses))
          repeat(add);
  }

  void repeat(AddOp add) {
    for (OpOperand &use :
         llvm::make_early_inc_range(add.getOutput().getUses())) {
      Operation *user = use.getOwner();
      if (isa<BarrierOp>(user)) {
        // The sum is computed anew, too: from the product, behind its barrier.
        OpBuilder builder(user);
        IRMapping mapping;
        mapping.map(add.getLhs(),
                    BarrierOp::create(builder, user->getLoc(), add.getLhs()));
        Operation *clone = builder.clone(*add, mapping);
        setPhase(clone, Phase::recompute);
        user->replaceAllUsesWith(clone);
        user->erase();
        continue;
      }
      if (!isBackward(user) || isBackward(add))
        continue;
      OpBuilder builder(user);
      Operation *clone = builder.clone(*add);
      setPhase(clone, *getPhase(user));
      use.set(clone->getResult(0));
    }
  }
};
} // namespace
