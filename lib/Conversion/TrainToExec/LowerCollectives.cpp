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
  // One process needs none for itself.
  return function.alloc(MemRefType::get({std::max<int64_t>(bytes, 1)}, byte),
                        op, "scratch");
}

/// A value is joined where it lies, if nobody else needs what it was.
static Value getJoinDestination(Value input, Value output,
                                FunctionLowering &function) {
  Value buffer = function.dense(input);
  for (Operation *user : output.getUsers())
    if (auto assign = dyn_cast<AssignOp>(user);
        assign &&
        buffer == function.getVariable(assign.getVariableAttr().getAttr()))
      function.setDone(assign);
  if (!input.hasOneUse() || input.getType() != output.getType())
    return function.destination(output);
  function.setBuffer(output, buffer);
  return buffer;
}

/// Buffers before and after.
struct Joined {
  SmallVector<Value> inputs, outputs;

  Joined(Operation *op, FunctionLowering &function) {
    for (auto [input, output] :
         llvm::zip(op->getOperands(), op->getResults())) {
      inputs.push_back(function.dense(input));
      outputs.push_back(getJoinDestination(input, output, function));
    }
  }
  Value allocScratch(Operation *op, ArrayAttr axes,
                     FunctionLowering &function) const {
    return allocBytes(
        function, op,
        exec::getJoinScratchBytes(inputs, outputs, countProcesses(op, axes)));
  }
};

static LogicalResult lower(AllReduceOp op, FunctionLowering &function) {
  Joined joined(op, function);
  Value scratch = joined.allocScratch(op, op.getAxes(), function);
  function.create<exec::AllReduceOp>(op, joined.inputs, joined.outputs, scratch,
                                     op.getReductionAttr(), op.getAxesAttr());
  return success();
}

/// Buffers of what no op can do in place.
struct Moved {
  SmallVector<Value> inputs, outputs;

  Moved(Operation *op, FunctionLowering &function) {
    for (auto [input, output] :
         llvm::zip(op->getOperands(), op->getResults())) {
      inputs.push_back(function.dense(input));
      outputs.push_back(function.destination(output));
    }
  }
  Value allocScratch(Operation *op, ArrayAttr axes,
                     FunctionLowering &function) const {
    return allocBytes(
        function, op,
        exec::getScatterScratchBytes(outputs, countProcesses(op, axes)));
  }
};

static LogicalResult lower(ReduceScatterOp op, FunctionLowering &function) {
  Moved moved(op, function);
  Value scratch = moved.allocScratch(op, op.getAxes(), function);
  function.create<exec::ReduceScatterOp>(op, moved.inputs, moved.outputs,
                                         scratch, op.getReductionAttr(),
                                         op.getAxesAttr());
  return success();
}

/// Values or codes, whose scales stay.
template <typename ExecOp, typename Op>
static LogicalResult lowerMove(Op op, FunctionLowering &function) {
  Moved moved(op, function);
  for (auto [input, output] : llvm::zip(op.getInputs(), op.getOutputs()))
    if (Value pair = function.scalePair(input))
      function.setScalePair(output, pair);
  function.create<ExecOp>(op, moved.inputs, moved.outputs, op.getAxesAttr());
  return success();
}

static LogicalResult lowerGather(fp8::AllGatherOp op,
                                 FunctionLowering &function) {
  if (failed(verifyShares(op, op.getAxes(), op.getInputs().getTypes(),
                          op.getOutputs().getTypes())))
    return failure();
  return lowerMove<exec::AllGatherOp>(op, function);
}

static LogicalResult lowerAllToAll(fp8::AllToAllOp op,
                                   FunctionLowering &function) {
  if (failed(verifyDivides(op, op.getAxes(), op.getInputs().getTypes())))
    return failure();
  return lowerMove<exec::AllToAllOp>(op, function);
}

/// The scale of a scaled value that is assigned to a variable is beside it.
static Value getPairDestination(Value scaled, FunctionLowering &function,
                                Operation *op) {
  for (Operation *user : scaled.getUsers())
    if (auto assign = dyn_cast<AssignOp>(user))
      return function.getScaleOf(assign.getVariableAttr().getAttr());
  return function.alloc(getScalePairType(op->getContext()), op);
}

/// Scales before and after.
struct Pairs {
  SmallVector<Value> inputs, outputs;

  Pairs(Operation *op, FunctionLowering &function) {
    for (auto [input, output] :
         llvm::zip(op->getOperands(), op->getResults())) {
      inputs.push_back(function.scalePair(input));
      outputs.push_back(getPairDestination(output, function, op));
      function.setScalePair(output, outputs.back());
    }
  }
};

static LogicalResult lowerCodes(fp8::AllReduceOp op,
                                FunctionLowering &function) {
  Joined joined(op, function);
  Pairs pairs(op, function);
  Value scratch = joined.allocScratch(op, op.getAxes(), function);
  function.create<exec::AllReduceCodesOp>(
      op, joined.inputs, pairs.inputs, joined.outputs, pairs.outputs, scratch,
      op.getAxesAttr(), op.getNativeAttr());
  return success();
}

static LogicalResult lowerScatterCodes(fp8::ReduceScatterOp op,
                                       FunctionLowering &function) {
  if (failed(verifyShares(op, op.getAxes(), op.getOutputs().getTypes(),
                          op.getInputs().getTypes())))
    return failure();
  Moved moved(op, function);
  Pairs pairs(op, function);
  Value scratch = moved.allocScratch(op, op.getAxes(), function);
  function.create<exec::ReduceScatterCodesOp>(op, moved.inputs, pairs.inputs,
                                              moved.outputs, pairs.outputs,
                                              scratch, op.getAxesAttr());
  return success();
}

static LogicalResult lowerScaleBy(fp8::ScaleByOp op,
                                  FunctionLowering &function) {
  SmallVector<Value> pairs, factors, outputs;
  for (auto [scale, factor, output] :
       llvm::zip(op.getScales(), op.getFactors(), op.getOutputs())) {
    pairs.push_back(function.buffer(scale));
    factors.push_back(function.buffer(factor));
    Operation *from = scale.getDefiningOp();
    outputs.push_back(function.alloc(getScalePairType(op.getContext()), op,
                                     from ? getName(from) : StringRef()));
    function.setBuffer(output, outputs.back());
  }
  function.create<exec::ScaleByOp>(op, pairs, factors, outputs);
  return success();
}

/// Factors are variables, and changed in place.
static LogicalResult lowerAdjust(fp8::AdjustMuOp op,
                                 FunctionLowering &function) {
  SmallVector<Value> mus, sums;
  for (auto [mu, sum, output] :
       llvm::zip(op.getMus(), op.getSums(), op.getOutputs())) {
    mus.push_back(function.buffer(mu));
    sums.push_back(function.dense(sum));
    function.setBuffer(output, mus.back());
  }
  Value scratch =
      allocBytes(function, op, 4 * static_cast<int64_t>(mus.size()));
  function.create<exec::AdjustMuOp>(op, mus, sums, scratch, op.getAxesAttr());
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
  Value scratch =
      allocBytes(function, op,
                 exec::getAgreeScratchBytes(op.getStatistics().size(),
                                            countProcesses(op, op.getAxes())));
  function.create<exec::AgreeStatsOp>(op, stats, states, scratch,
                                      op.getAxesAttr());
  return success();
}

/// The variable that the parts were read from is changed in place.
static LogicalResult lower(PutPartOp op, FunctionLowering &function) {
  Value parts = function.buffer(op.getParts());
  if (!op.getParts().hasOneUse() || !op.getParts().getDefiningOp<ReadOp>())
    return op.emitOpError("needs parts that a variable holds, and nobody else "
                          "reads");
  function.create<exec::PutPartOp>(op, function.dense(op.getInput()), parts,
                                   function.buffer(op.getIndex()));
  function.setBuffer(op, parts);
  return success();
}

void fp8c::addCollectiveLowerings(LoweringTable &table) {
  table.add<AllReduceOp>(lower);
  table.add<ReduceScatterOp>(lower);
  table.add<AllGatherOp>(lowerMove<exec::AllGatherOp, AllGatherOp>);
  table.add<AllToAllOp>(lowerMove<exec::AllToAllOp, AllToAllOp>);
  table.add<PutPartOp>(lower);
  table.add<fp8::AllReduceOp>(lowerCodes);
  table.add<fp8::ReduceScatterOp>(lowerScatterCodes);
  table.add<fp8::AllGatherOp>(lowerGather);
  table.add<fp8::AllToAllOp>(lowerAllToAll);
  table.add<fp8::ScaleByOp>(lowerScaleBy);
  table.add<fp8::AdjustMuOp>(lowerAdjust);
  table.add<fp8::AgreeOp>(lowerAgree);
}
