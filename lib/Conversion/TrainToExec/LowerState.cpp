//===- LowerState.cpp - Variables, constants, hyperparameters ------------===//

#include "Conversion/TrainToExec/FunctionLowering.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

static LogicalResult lower(ReadOp op, FunctionLowering &function) {
  StringAttr name = op.getVariableAttr().getAttr();
  Value variable = function.getVariable(name);
  function.setBuffer(op, variable);
  // The first of the terms that are added writes over the variable. Any other
  // use wants zeros there.
  auto add = op->hasOneUse() ? dyn_cast<AddOp>(*op->user_begin()) : AddOp();
  if (op.getAccumulated() && (!add || add.getLhs() != op))
    function.create<exec::ClearIfFirstOp>(op, variable);
  if (isa<fp8::ScaledType>(op.getType())) {
    Value previous = function.getPreviousPair(name);
    function.setScalePair(op, previous ? previous : function.getScaleOf(name));
  }
  return success();
}

static LogicalResult lower(AssignOp op, FunctionLowering &function) {
  StringAttr name = op.getVariableAttr().getAttr();
  if (isa<fp8::ScaledType>(op.getValue().getType())) {
    Value scale = function.scalePair(op.getValue()),
          target = function.getScaleOf(name);
    if (scale != target)
      function.copyAtExit(scale, target);
  }
  if (function.isDone(op))
    return success();
  Value variable = function.getVariable(name);
  Value source = function.dense(op.getValue());
  if (source != variable)
    function.copyAtExit(source, variable);
  return success();
}

static LogicalResult lower(HyperOp op, FunctionLowering &function) {
  if (function.isDone(op))
    return success();
  function.setBuffer(op, exec::HyperOp::create(function.builder, op->getLoc(),
                                               getBufferType(op.getType()),
                                               op.getSymbol()));
  return success();
}

static LogicalResult lowerConstant(arith::ConstantOp op,
                                   FunctionLowering &function) {
  function.setBuffer(
      op, exec::ConstantOp::create(function.builder, op->getLoc(),
                                   getBufferType(op.getType()),
                                   cast<ElementsAttr>(op.getValue())));
  return success();
}

static LogicalResult lower(BarrierOp op, FunctionLowering &function) {
  function.setBuffer(op, function.buffer(op.getInput()));
  return success();
}

void fp8c::addStateLowerings(LoweringTable &table) {
  table.add<ReadOp>(lower);
  table.add<AssignOp>(lower);
  table.add<HyperOp>(lower);
  table.add<arith::ConstantOp>(lowerConstant);
  table.add<BarrierOp>(lower);
}
