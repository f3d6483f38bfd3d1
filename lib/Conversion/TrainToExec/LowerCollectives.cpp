//===- LowerCollectives.cpp - What processes do together ------------------===//

#include "Conversion/TrainToExec/FunctionLowering.h"
#include "Conversion/TrainToExec/LoweringTable.h"
#include "Exec/IR/Exec.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

static LogicalResult lower(AllReduceOp op, FunctionLowering &function) {
  Value input = function.dense(op.getInput());
  function.create<exec::AllReduceOp>(op, input,
                                     function.destination(op.getOutput()),
                                     op.getReductionAttr(), op.getAxesAttr());
  return success();
}

/// States are variables, changed in place.
static LogicalResult lowerAgree(fp8::AgreeOp op, FunctionLowering &function) {
  SmallVector<Value> states = llvm::map_to_vector(
      op.getStates(), [&](Value state) { return function.buffer(state); });
  function.create<exec::AgreeScalesOp>(op, states, op.getAxesAttr());
  for (auto [output, state] : llvm::zip(op.getOutputs(), states))
    function.setBuffer(output, state);
  return success();
}

void fp8c::addCollectiveLowerings(LoweringTable &table) {
  table.add<AllReduceOp>(lower);
  table.add<fp8::AgreeOp>(lowerAgree);
}
