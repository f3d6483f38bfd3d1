//===- RoundBias.cpp - train-round-bias -----------------------------------===//

#include "Train/IR/Train.h"
#include "Train/Transforms/BiasUtils.h"
#include "Train/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

namespace fp8c::train {
#define GEN_PASS_DEF_ROUNDBIAS
#include "Train/Transforms/Passes.h.inc"
} // namespace fp8c::train

/// Reads its operands from memory: library calls, and views for them.
static bool needsMemory(Operation *op) {
  return isa<SplitOp, ReshapeOp, TransposeOp, AttentionOp, AttentionVJPOp,
             RotaryOp>(op);
}

namespace {
struct RoundBias : train::impl::RoundBiasBase<RoundBias> {
  using Base::Base;
  void runOnProgram() override {
    if (getTarget(getOperation()).gemmBias != GemmBias::ofResultType)
      return;
    for (func::FuncOp function : getFunctions(getOperation()))
      for (auto add : function.getOps<AddOp>())
        if (isBiasOfContraction(add) &&
            llvm::all_of(add->getUsers(), needsMemory))
          round(add);
  }

  void round(AddOp add) {
    auto bias = add.getRhs().getType();
    Type element = getElementTypeOrSelf(add.getType());
    if (bias.getElementType() == element)
      return;
    OpBuilder builder(add);
    auto cast = CastOp::create(builder, add.getLoc(),
                               RankedTensorType::get(bias.getShape(), element),
                               add.getRhs());
    cast->setDiscardableAttrs(
        add.getRhs().getDefiningOp()->getDiscardableAttrDictionary());
    add.getRhsMutable().assign(cast.getOutput());
  }
};
} // namespace
