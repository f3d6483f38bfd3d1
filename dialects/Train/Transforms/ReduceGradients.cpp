//===- ReduceGradients.cpp - train-reduce-gradients -----------------------===//

#include "Train/IR/Functions.h"
#include "Train/IR/Train.h"
#include "Train/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

namespace fp8c::train {
#define GEN_PASS_DEF_REDUCEGRADIENTS
#include "Train/Transforms/Passes.h.inc"
} // namespace fp8c::train

namespace {
struct ReduceGradients : train::impl::ReduceGradientsBase<ReduceGradients> {
  using Base::Base;
  void runOnProgram() override {
    GridOp grid = findGrid(getOperation());
    func::FuncOp update = findFunction(getOperation(), FunctionKind::update);
    if (!grid || grid.getSize(kDataAxis) <= 1 || !update)
      return;
    SymbolTable symbols(getOperation());
    Builder builder(&getContext());
    for (auto read : llvm::make_early_inc_range(update.getOps<ReadOp>())) {
      auto variable = symbols.lookup<VariableOp>(read.getVariable());
      if (!variable || variable.getRole() != Role::gradient ||
          llvm::any_of(read->getUsers(),
                       [](Operation *user) { return isa<AllReduceOp>(user); }))
        continue;
      if (!getElementTypeOrSelf(read.getValue().getType()).isF32()) {
        read.emitOpError("is a gradient of ")
            << read.getValue().getType()
            << ", which cannot be summed: run this pass before formats are "
               "chosen";
        return signalPassFailure();
      }
      OpBuilder after(&getContext());
      after.setInsertionPointAfter(read);
      auto reduce = createFor<AllReduceOp>(
          after, read, read.getValue().getType(), read.getValue(),
          Reduction::sum, builder.getStrArrayAttr({kDataAxis}));
      read.getValue().replaceAllUsesExcept(reduce.getOutput(), reduce);
    }
  }
};
} // namespace
