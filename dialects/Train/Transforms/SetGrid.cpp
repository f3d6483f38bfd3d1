//===- SetGrid.cpp - train-set-grid ---------------------------------------===//

#include "Train/IR/Train.h"
#include "Train/Transforms/Passes.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

namespace fp8c::train {
#define GEN_PASS_DEF_SETGRID
#include "Train/Transforms/Passes.h.inc"
} // namespace fp8c::train

namespace {
struct SetGrid : train::impl::SetGridBase<SetGrid> {
  using Base::Base;
  void runOnProgram() override {
    if (reproducible)
      getOperation()->setAttr(kReproducibleAttr, UnitAttr::get(&getContext()));
    else if (dp == 1)
      return;
    if (GridOp grid = findGrid(getOperation())) {
      grid.emitOpError("is there already");
      return signalPassFailure();
    }
    if (dp < 1 || dp > kMostProcesses) {
      getOperation().emitError("dp = ") << int64_t(dp) << ": a grid has 1 to "
                                        << kMostProcesses << " processes";
      return signalPassFailure();
    }
    OpBuilder builder = OpBuilder::atBlockBegin(getOperation().getBody());
    SymbolTable symbols(getOperation());
    symbols.insert(GridOp::create(builder, getOperation().getLoc(), "grid",
                                  builder.getStrArrayAttr({kDataAxis}),
                                  ArrayRef<int64_t>{dp}),
                   getOperation().getBody()->begin());
  }
};
} // namespace
