//===- Recompose.cpp - train-recompose ------------------------------------===//

#include "Train/IR/Masks.h"
#include "Train/Transforms/BuildUtils.h"
#include "Train/Transforms/Passes.h"
#include "Train/Transforms/Recompose/Match.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

namespace fp8c::train {
#define GEN_PASS_DEF_RECOMPOSE
#include "Train/Transforms/Passes.h.inc"
} // namespace fp8c::train

/// The functions that compute a model, and change no variable.
static SmallVector<func::FuncOp> getModels(ModuleOp module) {
  SmallVector<func::FuncOp> functions = getFunctions(module);
  llvm::erase_if(functions, [](func::FuncOp function) {
    return !function.getOps<AssignOp>().empty();
  });
  return functions;
}

static void apply(void (*add)(RewritePatternSet &),
                  ArrayRef<func::FuncOp> functions) {
  if (functions.empty())
    return;
  RewritePatternSet patterns(functions.front()->getContext());
  add(patterns);
  FrozenRewritePatternSet frozen(std::move(patterns));
  for (func::FuncOp function : functions)
    // What is left when it gives up is as right as what there was.
    (void)applyPatternsGreedily(function, frozen,
                                GreedyRewriteConfig().setUseTopDownTraversal());
}

namespace {
struct Recompose : train::impl::RecomposeBase<Recompose> {
  using Base::Base;
  void runOnProgram() override {
    SmallVector<func::FuncOp> functions = getModels(getOperation());
    // Each group finds what the one before has put together.
    MaskReader masks;
    for (auto add : {addRowPatterns, addNormPatterns, addActivationPatterns,
                     addRotaryPatterns})
      apply(add, functions);
    for (func::FuncOp function : functions)
      recomposeAttention(function.front(), masks);
    for (auto add : {addAttentionPatterns, addRowPatterns})
      apply(add, functions);
    for (func::FuncOp function : functions) {
      eraseDeadOps(function.front());
      gatherProducts(function.front());
      for (Operation &op : function.front())
        for (const std::string &why :
             {explainNorm(&op), explainActivation(&op), explainRotary(&op),
              explainAttention(&op, masks)})
          if (!why.empty())
            op.emitRemark(why);
      masks.forget();
    }
    if (func::FuncOp forward =
            findFunction(getOperation(), FunctionKind::forward))
      orderVariables(getOperation(), forward.front());
  }
};
} // namespace
