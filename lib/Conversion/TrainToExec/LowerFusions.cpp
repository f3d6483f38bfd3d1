//===- LowerFusions.cpp - Fusions become launches ------------------------===//

#include "Conversion/TrainToExec/FunctionLowering.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

/// Where a fusion gathers statistics, which are 0 at first: in the variable or
/// in the site's state, if that is where they go.
static Value getStatsTarget(FusionOp op, Value result,
                            FunctionLowering &function) {
  auto words =
      cast<MemRefType>(getBufferType(fp8::StatsType::get(op.getContext())));
  if (isa<fp8::StatsType>(result.getType()))
    for (Operation *user : result.getUsers())
      if (auto assign = dyn_cast<AssignOp>(user);
          assign && function.isCleared(assign.getVariableAttr().getAttr())) {
        function.setDone(assign);
        return function.getVariable(assign.getVariableAttr().getAttr());
      }
  auto record = result.hasOneUse()
                    ? dyn_cast<fp8::RecordOp>(*result.user_begin())
                    : fp8::RecordOp();
  while (auto earlier = record
                            ? record.getState().getDefiningOp<fp8::RecordOp>()
                            : fp8::RecordOp())
    record = earlier;
  auto state = record ? record.getState().getDefiningOp<ReadOp>() : ReadOp();
  if (state)
    return function.view(
        function.getVariable(state.getVariableAttr().getAttr()), words,
        exec::kScaleStateStatsWord);
  Value target = function.alloc(words, op);
  exec::FillOp::create(function.builder, op.getLoc(), target,
                       function.builder.getF32FloatAttr(0));
  return target;
}

/// The pair of a result that the fusion quantises: of the scale, which is an
/// operand.
static LogicalResult setScalePair(FusionOp op, Value result, Operation *source,
                                  FunctionLowering &function) {
  if (isa_and_nonnull<fp8::TransposeOp>(source))
    source = source->getOperand(0).getDefiningOp();
  auto quantize = dyn_cast_or_null<fp8::QuantizeOp>(source);
  auto argument =
      dyn_cast_or_null<BlockArgument>(quantize ? quantize.getScale() : Value());
  if (!argument)
    return op.emitOpError("quantises with a scale that is computed inside");
  function.setScalePair(
      result, function.buffer(op.getInputs()[argument.getArgNumber()]));
  return success();
}

/// The matrix that the kernel runs over.
static std::pair<int64_t, int64_t> getMatrix(FusionOp op) {
  ArrayRef<int64_t> domain = op.getDomain();
  if (op.getSkeleton() == Skeleton::columns) {
    // Rows are what is summed over: all leading dimensions of the reduction.
    int64_t kept =
        cast<RankedTensorType>(op.getResult(0).getType()).getNumElements();
    return {ShapedType::getNumElements(domain) / std::max<int64_t>(kept, 1),
            kept};
  }
  if (domain.empty())
    return {1, 1};
  return {ShapedType::getNumElements(domain.drop_back()), domain.back()};
}

/// How a kernel goes over rows of its matrix that lie so; nothing if it cannot.
static std::optional<exec::Pitch> getKernelPitch(FusionOp op, Value buffer) {
  auto type = cast<MemRefType>(buffer.getType());
  if (exec::isContiguous(type))
    return exec::Pitch{};
  if (type.getShape() != op.getDomain() ||
      !llvm::is_contained({Skeleton::map, Skeleton::rows}, op.getSkeleton()))
    return std::nullopt;
  auto view = buffer.getDefiningOp<exec::ViewOp>();
  std::optional<exec::Pitch> pitch =
      exec::getPitch(type, op.getDomain().back());
  bool isAligned = view && pitch && view.getOffset() % kPartMultiple == 0 &&
                   pitch->pitch % kPartMultiple == 0 &&
                   pitch->parts * op.getDomain().back() % kPartMultiple == 0;
  return isAligned ? pitch : std::nullopt;
}

/// Where a result goes: a part of a concat if the kernel can write there.
static Value getDestination(FusionOp op, Value result,
                            FunctionLowering &function) {
  Value target = function.destination(result, /*mayStride=*/true);
  if (getKernelPitch(op, target))
    return target;
  target = function.alloc(getBufferType(result.getType()), op);
  function.setBuffer(result, target);
  return target;
}

static LogicalResult lower(FusionOp op, FunctionLowering &function) {
  if (function.isDone(op))
    return success(); // its GEMM does it
  SmallVector<Value> inputs, outputs;
  SmallVector<Accumulation> accumulations;
  SmallVector<exec::Pitch> pitches;
  for (Value input : op.getInputs()) {
    Value buffer = function.buffer(input);
    std::optional<exec::Pitch> pitch = getKernelPitch(op, buffer);
    inputs.push_back(pitch ? buffer : function.dense(input));
    pitches.push_back(pitch.value_or(exec::Pitch{}));
    if (isa<fp8::ScaledType>(input.getType()))
      inputs.push_back(
          function.view(function.scalePair(input),
                        MemRefType::get({1}, function.builder.getF32Type()),
                        exec::kScaleInverseWord));
  }
  auto yield = cast<train::YieldOp>(op.getBody().front().getTerminator());
  for (auto [value, result] : llvm::zip(yield.getValues(), op.getResults())) {
    Operation *source = value.getDefiningOp();
    FunctionLowering::Accumulator sum;
    if (isa_and_nonnull<fp8::AmaxOp>(source) ||
        isa<fp8::StatsType>(result.getType())) {
      outputs.push_back(getStatsTarget(op, result, function));
      function.setBuffer(result, outputs.back());
      pitches.push_back({});
    } else {
      if (op.getSkeleton() == Skeleton::columns)
        sum = function.accumulator(result);
      outputs.push_back(sum.variable ? function.destination(result, sum)
                                     : getDestination(op, result, function));
      pitches.push_back(*getKernelPitch(op, outputs.back()));
    }
    accumulations.push_back(sum.accumulation);
    if (isa<fp8::ScaledType>(result.getType()) &&
        failed(setScalePair(op, result, source, function)))
      return failure();
  }
  // A kernel over elements does not know in which row it is.
  if (op.getSkeleton() == Skeleton::map &&
      llvm::any_of(pitches, [](exec::Pitch pitch) { return pitch.parts; }))
    op.setSkeleton(Skeleton::rows);
  FailureOr<exec::KernelOp> kernel =
      function.kernels.getKernel(op, accumulations, pitches);
  if (failed(kernel))
    return failure();
  auto [rows, cols] = getMatrix(op);
  function.create<exec::LaunchOp>(op, kernel->getSymName(), rows, cols, inputs,
                                  outputs);
  return success();
}

void fp8c::addFusionLowerings(LoweringTable &table) {
  table.add<FusionOp>(lower);
}
