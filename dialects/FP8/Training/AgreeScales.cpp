//===- AgreeScales.cpp - fp8-agree-scales ---------------------------------===//
//
// One exchange serves all sites of delayed scaling: a function's states are
// recorded first, then agreed on, then advanced.
//
//===----------------------------------------------------------------------===//

#include "FP8/IR/FP8.h"
#include "FP8/Training/Passes.h"
#include "Train/IR/Functions.h"
#include "Train/IR/TrainLayout.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::fp8;

namespace fp8c::fp8 {
#define GEN_PASS_DEF_AGREESCALES
#include "FP8/Training/Passes.h.inc"
} // namespace fp8c::fp8

/// One exchange for all states that the function advances.
static void agreeOnStates(func::FuncOp function) {
  SmallVector<AdvanceOp> advances(function.getOps<AdvanceOp>());
  if (advances.empty() || llvm::any_of(advances, [](AdvanceOp advance) {
        return advance.getState().getDefiningOp<AgreeOp>();
      }))
    return;
  // Advances, and what assigns their results, come behind all that records.
  Operation *terminator = function.front().getTerminator();
  OpBuilder builder(terminator);
  SmallVector<Value> states = llvm::map_to_vector(
      advances, [](AdvanceOp advance) -> Value { return advance.getState(); });
  auto agree = train::createFor<AgreeOp>(
      builder, advances.front(), TypeRange(ValueRange(states)), states,
      builder.getStrArrayAttr({train::kDataAxis}));
  train::setName(agree, "");
  for (auto [advance, state] : llvm::zip(advances, agree.getOutputs())) {
    advance.getStateMutable().assign(state);
    advance->moveBefore(terminator);
    for (Operation *user : advance->getUsers())
      user->moveBefore(terminator);
  }
}

/// Is it the amax of a gradient that a variable keeps in FP8? The sum of all
/// processes has another: see fp8-lower-comm.
static bool isOfStoredGradient(AmaxOp amax) {
  return llvm::any_of(amax.getInput().getUsers(), [](Operation *user) {
    auto quantize = dyn_cast<QuantizeOp>(user);
    return quantize && llvm::any_of(quantize.getOutput().getUsers(),
                                    llvm::IsaPred<train::AssignOp>);
  });
}

/// Current scales come from an amax where it is computed.
static void agreeOnAmaxes(func::FuncOp function, const train::Layout &layout) {
  for (auto amax : llvm::make_early_inc_range(function.getOps<AmaxOp>())) {
    if (!layout.get(amax).any() || isOfStoredGradient(amax) ||
        llvm::all_of(amax->getUsers(), llvm::IsaPred<AgreeOp>))
      continue;
    OpBuilder builder(amax->getContext());
    builder.setInsertionPointAfter(amax);
    auto agree = train::createFor<AgreeOp>(
        builder, amax, amax->getResultTypes(), amax.getAmax(),
        builder.getStrArrayAttr({train::kDataAxis}));
    amax.getAmax().replaceAllUsesExcept(agree->getResult(0), agree);
  }
}

namespace {
struct AgreeScales : fp8::impl::AgreeScalesBase<AgreeScales> {
  using Base::Base;
  void runOnProgram() override {
    if (!train::isDataParallel(getOperation()))
      return;
    train::Layout layout(getOperation());
    for (func::FuncOp function : train::getFunctions(getOperation())) {
      agreeOnStates(function);
      std::optional<train::FunctionKind> kind =
          train::getFunctionKind(function);
      // A micro-batch's own scales are the same wherever it is computed.
      bool isAlone = getOperation()->hasAttr(train::kReproducibleAttr);
      if ((kind == train::FunctionKind::micro && !isAlone) ||
          kind == train::FunctionKind::calibrate)
        agreeOnAmaxes(function, layout);
    }
  }
};
} // namespace
