//===- LowerCollectives.cpp - What processes do together ------------------===//

#include "Conversion/TrainToExec/FunctionLowering.h"
#include "Conversion/TrainToExec/LoweringTable.h"
#include "Exec/IR/Exec.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

static Value allocBytes(FunctionLowering &function, Operation *op,
                        int64_t bytes) {
  Type byte = IntegerType::get(op->getContext(), 8);
  return function.alloc(MemRefType::get({bytes}, byte), op, "scratch");
}

/// Where the sum of a value goes that is in a variable already: there.
static Value getSumDestination(Value input, Value output,
                               FunctionLowering &function) {
  for (Operation *user : output.getUsers())
    if (auto assign = dyn_cast<AssignOp>(user))
      if (Value variable =
              function.getVariable(assign.getVariableAttr().getAttr());
          variable == function.buffer(input)) {
        function.setDone(assign);
        function.setBuffer(output, variable);
        return variable;
      }
  return function.destination(output);
}

static LogicalResult lower(AllReduceOp op, FunctionLowering &function) {
  SmallVector<Value> inputs, outputs;
  for (auto [input, output] : llvm::zip(op.getInputs(), op.getOutputs())) {
    inputs.push_back(function.dense(input));
    outputs.push_back(getSumDestination(input, output, function));
  }
  function.create<exec::AllReduceOp>(op, inputs, outputs, op.getReductionAttr(),
                                     op.getAxesAttr());
  return success();
}

/// The scale of a scaled value that is assigned to a variable is beside it.
static Value getPairDestination(Value scaled, FunctionLowering &function,
                                Operation *op) {
  for (Operation *user : scaled.getUsers())
    if (auto assign = dyn_cast<AssignOp>(user))
      return function.getScaleOf(assign.getVariableAttr().getAttr());
  return function.alloc(getScalePairType(op->getContext()), op);
}

static LogicalResult lowerCodes(fp8::AllReduceOp op,
                                FunctionLowering &function) {
  SmallVector<Value> inputs, pairs, outputs, outputPairs;
  for (auto [input, output] : llvm::zip(op.getInputs(), op.getOutputs())) {
    inputs.push_back(function.dense(input));
    pairs.push_back(function.scalePair(input));
    outputs.push_back(getSumDestination(input, output, function));
    outputPairs.push_back(getPairDestination(output, function, op));
    function.setScalePair(output, outputPairs.back());
  }
  Value scratch = allocBytes(
      function, op,
      exec::getCodesScratchBytes(inputs, countProcesses(op, op.getAxes())));
  function.create<exec::AllReduceCodesOp>(op, inputs, pairs, outputs,
                                          outputPairs, scratch,
                                          op.getAxesAttr());
  return success();
}

/// Statistics are changed in place.
static LogicalResult lowerAgree(fp8::AgreeOp op, FunctionLowering &function) {
  SmallVector<Value> stats, states;
  for (auto [input, output] : llvm::zip(op.getStatistics(), op.getOutputs())) {
    Value buffer = function.buffer(input);
    (isa<fp8::ScaleStateType>(input.getType()) ? states : stats)
        .push_back(buffer);
    function.setBuffer(output, buffer);
  }
  Value scratch = allocBytes(
      function, op,
      exec::getAgreeScratchBytes(op.getStatistics().size(),
                                 countProcesses(op, op.getAxes())));
  function.create<exec::AgreeStatsOp>(op, stats, states, scratch,
                                      op.getAxesAttr());
  return success();
}

void fp8c::addCollectiveLowerings(LoweringTable &table) {
  table.add<AllReduceOp>(lower);
  table.add<fp8::AllReduceOp>(lowerCodes);
  table.add<fp8::AgreeOp>(lowerAgree);
}
