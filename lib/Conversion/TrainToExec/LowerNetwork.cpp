//===- LowerNetwork.cpp - Attention, tables, rows of integers ------------===//

#include "Conversion/TrainToExec/FunctionLowering.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

/// The buffer of an operand that may not be there.
static Value denseOrNone(FunctionLowering &function, Value value) {
  return value ? function.dense(value) : Value();
}

/// Null if the window is no narrower than what is seen anyway.
template <typename Op> static IntegerAttr getNarrowWindow(Op op) {
  bool isNarrow =
      op.getWindow() && *op.getWindow() < uint64_t(shapeOf(op.getQuery())[1]);
  return isNarrow ? op.getWindowAttr() : IntegerAttr();
}

/// Parts of one tensor, if tokens follow each other at one stride; else a copy.
static Value getTokens(FunctionLowering &function, Value value) {
  Value buffer = function.buffer(value);
  return exec::haveOneStride(exec::typeOf(buffer)) ? buffer
                                                   : function.dense(value);
}

static LogicalResult lower(AttentionOp op, FunctionLowering &function) {
  Value q = getTokens(function, op.getQuery()),
        k = getTokens(function, op.getKey()),
        v = getTokens(function, op.getValue());
  Value o = function.destination(op.getOutput()),
        lse = function.destination(op.getLse());
  Value bias = denseOrNone(function, op.getBias()),
        lengths = denseOrNone(function, op.getLengths());
  function.create<exec::AttentionOp>(op, q, k, v, bias, lengths, o, lse,
                                     op.getHeadsAttr(), op.getKvHeadsAttr(),
                                     op.getScaleAttr(), op.getCausalAttr(),
                                     getNarrowWindow(op), op.getSoftcapAttr());
  return success();
}

/// Where a value is and where its gradient goes: the library takes one stride
/// for both.
static std::pair<Value, Value> getLikePlaces(Value value, Value gradient,
                                             FunctionLowering &function) {
  Value from = getTokens(function, value),
        to = function.destination(gradient, /*mayStride=*/true);
  auto strides = [](Value buffer) {
    return exec::typeOf(buffer).getStridesAndOffset().first;
  };
  if (strides(from) == strides(to))
    return {from, to};
  if (!exec::isContiguous(exec::typeOf(to))) {
    to = function.alloc(getBufferType(gradient.getType()),
                        gradient.getDefiningOp());
    function.setBuffer(gradient, to);
  }
  return {function.dense(value), to};
}

static LogicalResult lower(AttentionVJPOp op, FunctionLowering &function) {
  Value cotangent = function.dense(op.getCotangent());
  auto [q, dq] = getLikePlaces(op.getQuery(), op.getDquery(), function);
  auto [k, dk] = getLikePlaces(op.getKey(), op.getDkey(), function);
  auto [v, dv] = getLikePlaces(op.getValue(), op.getDvalue(), function);
  Value o = function.dense(op.getOutput()), lse = function.dense(op.getLse()),
        dBias = op.getDbias() ? function.destination(op.getDbias()) : Value();
  Value bias = denseOrNone(function, op.getBias()),
        lengths = denseOrNone(function, op.getLengths());
  function.create<exec::AttentionBackwardOp>(
      op, cotangent, q, k, v, o, lse, bias, lengths, dq, dk, dv, dBias,
      /*workspace=*/Value(), op.getHeadsAttr(), op.getKvHeadsAttr(),
      op.getScaleAttr(), op.getCausalAttr(), getNarrowWindow(op),
      op.getSoftcapAttr(), /*parts=*/function.builder.getI64IntegerAttr(1));
  return success();
}

/// Is it part of a product, with a bias or without, that nobody else reads?
static bool isOwnPart(Value value, FunctionLowering &function) {
  auto split = value.getDefiningOp<SplitOp>();
  return split && value.hasOneUse() && split.getInput().hasOneUse() &&
         isa_and_nonnull<MatmulOp, fp8::MatmulOp, FusionOp>(
             split.getInput().getDefiningOp()) &&
         isa_and_nonnull<exec::AllocOp>(
             exec::getRoot(function.buffer(value)).getDefiningOp());
}

/// Queries and keys are turned where they lie: what they were would stay for as
/// long as the values beside them.
static LogicalResult lower(RotaryOp op, FunctionLowering &function) {
  Value x = getTokens(function, op.getInput()),
        cos = function.dense(op.getCos()), sin = function.dense(op.getSin());
  bool isInPlace = isOwnPart(op.getInput(), function) && !function.isResult(op);
  Value y = isInPlace ? x : function.destination(op, /*mayStride=*/true);
  function.setBuffer(op, y);
  function.create<exec::RotaryOp>(op, x, cos, sin, y, op.getHeadsAttr(),
                                  op.getRotaryDimAttr(),
                                  op.getInterleavedAttr(), op.getInverseAttr());
  return success();
}

static LogicalResult lower(EmbeddingOp op, FunctionLowering &function) {
  Value table = function.dense(op.getTable()),
        ids = function.dense(op.getIds());
  function.create<exec::EmbeddingOp>(op, table, ids, function.destination(op));
  return success();
}

static LogicalResult lower(EmbeddingVJPOp op, FunctionLowering &function) {
  FunctionLowering::Accumulator sum = function.accumulator(op.getDtable());
  Value target = function.destination(op.getDtable(), sum);
  Value ids = function.dense(op.getIds()),
        cotangent = function.dense(op.getCotangent());
  function.create<exec::EmbeddingBackwardOp>(
      op, ids, cotangent, target, sum.accumulates(), sum.unlessFirst());
  return success();
}

static LogicalResult lower(GatherElementsOp op, FunctionLowering &function) {
  Value data = function.dense(op.getData()),
        indices = function.dense(op.getIndices());
  function.create<exec::GatherElementsOp>(op, data, indices,
                                          function.destination(op));
  return success();
}

static LogicalResult lower(GatherElementsVJPOp op, FunctionLowering &function) {
  Value cotangent = function.dense(op.getCotangent()),
        indices = function.dense(op.getIndices());
  function.create<exec::GatherElementsBackwardOp>(op, cotangent, indices,
                                                  function.destination(op));
  return success();
}

/// Of floats fusions do it.
template <typename Op, typename Rows>
static LogicalResult lowerReduction(Op op, FunctionLowering &function) {
  if (isFloat(op.getInput()))
    return emitNoLowering(op);
  ArrayRef<int64_t> axes = op.getAxes();
  if (axes.size() != 1 ||
      axes[0] != static_cast<int64_t>(shapeOf(op.getInput()).size()) - 1)
    return op.emitOpError("reduces integers along other dimensions than the "
                          "last; run train-fit-kernels before "
                          "convert-to-exec");
  Value input = function.dense(op.getInput());
  function.create<Rows>(op, input, function.destination(op));
  return success();
}

void fp8c::addNetworkLowerings(LoweringTable &table) {
  table.add<AttentionOp>(lower);
  table.add<AttentionVJPOp>(lower);
  table.add<RotaryOp>(lower);
  table.add<EmbeddingOp>(lower);
  table.add<EmbeddingVJPOp>(lower);
  table.add<GatherElementsOp>(lower);
  table.add<GatherElementsVJPOp>(lower);
  table.add<ReduceSumOp>(lowerReduction<ReduceSumOp, exec::SumRowsOp>);
  table.add<ReduceMaxOp>(lowerReduction<ReduceMaxOp, exec::MaxRowsOp>);
}
