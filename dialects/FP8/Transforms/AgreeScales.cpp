//===- AgreeScales.cpp - fp8-agree-scales ---------------------------------===//
//
// One exchange serves all sites of a function: its states are recorded first,
// then agreed on, then advanced.
//
//===----------------------------------------------------------------------===//

#include "FP8/IR/FP8.h"
#include "FP8/Transforms/Passes.h"
#include "Train/IR/Train.h"
#include "mlir/Analysis/TopologicalSortUtils.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::fp8;

namespace fp8c::fp8 {
#define GEN_PASS_DEF_AGREESCALES
#include "FP8/Transforms/Passes.h.inc"
} // namespace fp8c::fp8

static void agree(func::FuncOp function) {
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
      builder, advances.front(), TypeRange(states), states,
      builder.getStrArrayAttr({train::kDataAxis}));
  train::setName(agree, "");
  for (auto [advance, state] : llvm::zip(advances, agree.getOutputs())) {
    advance.getStateMutable().assign(state);
    advance->moveBefore(terminator);
    for (Operation *user : advance->getUsers())
      user->moveBefore(terminator);
  }
}

namespace {
struct AgreeScales : fp8::impl::AgreeScalesBase<AgreeScales> {
  using Base::Base;
  void runOnProgram() override {
    train::GridOp grid = train::findGrid(getOperation());
    if (!grid || grid.getSize(train::kDataAxis) <= 1)
      return;
    for (auto function : train::getFunctions(getOperation()))
      agree(function);
  }
};
} // namespace
