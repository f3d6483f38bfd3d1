//===- LowerLoss.cpp - Losses, clipping, sums of gradients ---------------===//

#include "Conversion/TrainToExec/FunctionLowering.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

/// The op that computes the gradient of a loss, if one pass over the logits can
/// make both: nobody else reads the statistics, and the loss's own cotangent
/// does not depend on the loss.
static CrossEntropyVJPOp getFusableVJP(CrossEntropyOp loss,
                                       const FunctionLowering &function) {
  if (!loss.getLse().hasOneUse() || !loss.getInvCount().hasOneUse())
    return {};
  auto vjp = dyn_cast<CrossEntropyVJPOp>(*loss.getLse().user_begin());
  if (!vjp || vjp.getInvCount() != loss.getInvCount() ||
      vjp.getLogits() != loss.getLogits() ||
      vjp.getLabels() != loss.getLabels() ||
      vjp.getIgnoreIndex() != loss.getIgnoreIndex())
    return {};
  Operation *cotangent = vjp.getCotangent().getDefiningOp();
  return !cotangent || isa<HyperOp>(cotangent) ||
                 function.position(cotangent) < function.position(loss)
             ? vjp
             : CrossEntropyVJPOp();
}

/// Is the memory of `value` its own, and free once `lastUser` has read it?
static bool mayOverwrite(Value value, Operation *lastUser,
                         const FunctionLowering &function) {
  for (Operation *user : value.getUsers())
    if (function.position(user) > function.position(lastUser))
      return false;
  if (function.isResult(value) || !function.buffer(value))
    return false;
  Operation *op = value.getDefiningOp();
  if (auto reshape = dyn_cast_or_null<ReshapeOp>(op))
    return reshape.getInput().hasOneUse() &&
           mayOverwrite(reshape.getInput(), lastUser, function);
  return isa_and_nonnull<MatmulOp, fp8::MatmulOp, FusionOp>(op) &&
         function.buffer(value).getDefiningOp<exec::AllocOp>();
}

/// The buffer of a hyperparameter that may be lowered before its turn, or of
/// another value.
static FailureOr<Value> getEarly(Value value, FunctionLowering &function) {
  if (auto hyper = value.getDefiningOp<HyperOp>();
      hyper && !function.buffer(hyper)) {
    if (failed(function.lower(hyper)))
      return failure();
    function.setDone(hyper);
  }
  return function.dense(value);
}

/// One pass over the logits; with `vjp`, which may be null, the gradient as
/// well.
static LogicalResult lowerRowByRow(CrossEntropyOp loss, CrossEntropyVJPOp vjp,
                                   FunctionLowering &function) {
  OpBuilder &builder = function.builder;
  Value logits = function.dense(loss.getLogits()),
        labels = function.dense(loss.getLabels());
  Value count = function.alloc(MemRefType::get({}, builder.getI64Type()), loss);
  Value rowLosses =
      function.alloc(MemRefType::get(shapeOf(loss.getLogits()).drop_back(),
                                     builder.getF32Type()),
                     loss);
  function.create<exec::CountLabelsOp>(loss, labels, count,
                                       loss.getIgnoreIndexAttr());
  if (vjp) {
    FailureOr<Value> cotangent = getEarly(vjp.getCotangent(), function);
    if (failed(cotangent))
      return failure();
    Value dlogits = logits;
    if (loss.getLogits().getType() == vjp.getDlogits().getType() &&
        mayOverwrite(loss.getLogits(), vjp, function))
      function.setBuffer(vjp.getDlogits(), dlogits);
    else
      dlogits = function.destination(vjp.getDlogits());
    function.setDone(vjp);
    function.create<exec::CrossEntropyFusedOp>(
        loss, logits, labels, count, *cotangent, rowLosses, dlogits,
        loss.getIgnoreIndexAttr(), loss.getClassesAttr());
  } else {
    function.create<exec::CrossEntropyRowsOp>(loss, logits, labels, rowLosses,
                                              loss.getIgnoreIndexAttr(),
                                              loss.getClassesAttr());
  }
  function.create<exec::MeanLossOp>(loss, rowLosses, count,
                                    function.destination(loss.getLoss()));
  return success();
}

static LogicalResult lower(CrossEntropyOp op, FunctionLowering &function) {
  CrossEntropyVJPOp vjp = getFusableVJP(op, function);
  if (vjp || (op.getLse().use_empty() && op.getInvCount().use_empty()))
    return lowerRowByRow(op, vjp, function);
  Value logits = function.dense(op.getLogits()),
        labels = function.dense(op.getLabels());
  Value loss = function.destination(op.getLoss()),
        lse = function.destination(op.getLse()),
        count = function.destination(op.getInvCount());
  function.create<exec::CrossEntropyOp>(op, logits, labels, loss, lse, count,
                                        op.getIgnoreIndexAttr(),
                                        op.getClassesAttr());
  return success();
}

static LogicalResult lower(CrossEntropyVJPOp op, FunctionLowering &function) {
  if (function.isDone(op)) // with the loss
    return success();
  Value logits = function.dense(op.getLogits()),
        labels = function.dense(op.getLabels()),
        lse = function.dense(op.getLse()),
        count = function.dense(op.getInvCount()),
        cotangent = function.dense(op.getCotangent());
  function.create<exec::CrossEntropyBackwardOp>(
      op, logits, labels, lse, count, cotangent,
      function.destination(op.getDlogits()), op.getIgnoreIndexAttr(),
      op.getClassesAttr());
  return success();
}

static LogicalResult lower(ClipCoefficientOp op, FunctionLowering &function) {
  Value maxNorm = function.dense(op.getMaxNorm());
  SmallVector<Value> sums;
  for (Value sum : op.getSums())
    sums.push_back(function.dense(sum));
  Value coefficient = function.destination(op.getCoefficient()),
        norm = function.destination(op.getNorm());
  function.create<exec::ClipCoefficientOp>(op, maxNorm, sums, coefficient,
                                           norm);
  return success();
}

/// What is left of sums with a gradient variable: the producer could not
/// accumulate.
static LogicalResult lower(AddOp op, FunctionLowering &function) {
  if (!function.isDone(op) && !getGradientSum(op))
    return emitNoLowering(op);
  Value target = function.buffer(op.getLhs());
  if (!function.isDone(op)) {
    Accumulation accumulation = getAccumulation(op);
    function.create<exec::AccumulateOp>(op, function.dense(op.getRhs()), target,
                                        accumulation != Accumulation::Never,
                                        accumulation ==
                                            Accumulation::UnlessFirst);
  }
  function.setBuffer(op.getOutput(), target);
  return success();
}

void fp8c::addLossLowerings(LoweringTable &table) {
  table.add<CrossEntropyOp>(lower);
  table.add<CrossEntropyVJPOp>(lower);
  table.add<ClipCoefficientOp>(lower);
  table.add<AddOp>(lower);
}
