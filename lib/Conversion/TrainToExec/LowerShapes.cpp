//===- LowerShapes.cpp - Ops that only move values -----------------------===//

#include "Conversion/TrainToExec/FunctionLowering.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

static LogicalResult lower(ReshapeOp op, FunctionLowering &function) {
  function.setBuffer(op, function.view(function.dense(op.getInput()),
                                       getBufferType(op.getType())));
  return success();
}

/// A copy with the source's strides in another order.
static void lowerTranspose(Operation *op, ArrayRef<int64_t> permutation,
                           FunctionLowering &function) {
  Value source = function.buffer(op->getOperand(0)), result = op->getResult(0);
  auto type = cast<MemRefType>(source.getType());
  auto strides = applyPermutation(
      ArrayRef<int64_t>(type.getStridesAndOffset().first), permutation);
  Value from =
      function.view(source, getStrided(type, shapeOf(result), strides));
  function.create<exec::CopyOp>(op, from, function.destination(result));
}

static LogicalResult lower(TransposeOp op, FunctionLowering &function) {
  lowerTranspose(op, op.getPermutation(), function);
  return success();
}

static LogicalResult lowerScaled(fp8::TransposeOp op,
                                 FunctionLowering &function) {
  if (function.isDone(op))
    return success(); // with its quantisation
  if (!op.getInput().getType().isPerTensor())
    return op.emitOpError("permutes tiles after they were made, which only "
                          "a transpose of an fp8.quantize_tiles can");
  lowerTranspose(op, op.getPermutation(), function);
  function.setScalePair(op, function.scalePair(op.getInput()));
  return success();
}

static LogicalResult lower(SplitOp op, FunctionLowering &function) {
  Value whole = function.dense(op.getInput());
  auto type = cast<MemRefType>(whole.getType());
  SmallVector<int64_t> strides = type.getStridesAndOffset().first;
  int64_t offset = 0;
  for (Value part : op.getParts()) {
    ArrayRef<int64_t> shape = shapeOf(part);
    function.setBuffer(
        part, function.view(whole, getStrided(type, shape, strides), offset));
    offset += shape[op.getAxis()] * strides[op.getAxis()];
  }
  return success();
}

/// Parts that were computed elsewhere are copied to their place.
template <typename Op>
static LogicalResult lowerConcat(Op op, FunctionLowering &function) {
  Value whole = function.buffer(op.getOutput());
  if (!whole)
    whole = function.destination(op.getOutput());
  auto type = cast<MemRefType>(whole.getType());
  SmallVector<int64_t> strides = type.getStridesAndOffset().first;
  int64_t offset = 0;
  for (Value part : op.getParts()) {
    ArrayRef<int64_t> shape = fp8::getShape(part.getType());
    Value source = function.buffer(part);
    auto place = source.getDefiningOp<exec::ViewOp>();
    if (!place || place.getSource() != whole) {
      Value target =
          function.view(whole, getStrided(type, shape, strides), offset);
      exec::CopyOp::create(function.builder, op.getLoc(), source, target);
    }
    offset += shape[op.getAxis()] * strides[op.getAxis()];
  }
  if (isa<fp8::ConcatOp>(op))
    function.setScalePair(op.getOutput(),
                          function.scalePair(op.getParts().front()));
  return success();
}

static LogicalResult lower(BroadcastToOp op, FunctionLowering &function) {
  Value source = function.buffer(op.getInput());
  auto type = cast<MemRefType>(source.getType());
  ArrayRef<int64_t> shape = shapeOf(op);
  SmallVector<int64_t> strides(shape.size(), 0);
  for (int64_t i = 0, lead = shape.size() - type.getRank(); i < type.getRank();
       ++i)
    if (type.getDimSize(i) != 1)
      strides[lead + i] = type.getStridesAndOffset().first[i];
  exec::CopyOp::create(function.builder, op->getLoc(),
                       function.view(source, getStrided(type, shape, strides)),
                       function.destination(op));
  return success();
}

/// The elements of `whole` that a box of the shape of `box` has.
static Value getBox(Value whole, Value box, ArrayRef<int64_t> offsets,
                    ArrayRef<int64_t> steps, FunctionLowering &function) {
  auto type = cast<MemRefType>(whole.getType());
  SmallVector<int64_t> strides = type.getStridesAndOffset().first;
  int64_t offset = 0;
  for (auto [stride, start, step] : llvm::zip(strides, offsets, steps)) {
    offset += start * stride;
    stride *= step;
  }
  auto shape = cast<MemRefType>(box.getType()).getShape();
  return function.view(whole, getStrided(type, shape, strides), offset);
}

/// Are these the first rows of a product that nobody else reads, or of a
/// compute weight? Then they may stay where they are, unless it is a variable
/// that they are for.
static bool mayStay(SliceOp slice, const FunctionLowering &function) {
  Value whole = slice.getInput();
  auto isZero = [](int64_t offset) { return offset == 0; };
  auto isOne = [](int64_t stride) { return stride == 1; };
  auto read = whole.getDefiningOp<ReadOp>();
  bool isWeight = read && function.getRole(read.getVariableAttr().getAttr()) ==
                              Role::compute_weight;
  bool isProduct =
      whole.hasOneUse() &&
      isa_and_nonnull<MatmulOp, fp8::MatmulOp>(whole.getDefiningOp());
  return (isWeight || isProduct) && llvm::all_of(slice.getOffsets(), isZero) &&
         llvm::all_of(slice.getStrides(), isOne) &&
         fp8::getShape(whole.getType()).drop_front() ==
             fp8::getShape(slice.getType()).drop_front() &&
         llvm::none_of(slice->getUsers(), [&](Operation *user) {
           auto sum = dyn_cast<AddOp>(user);
           return isa<AssignOp>(user) || (sum && sum.getLhs() == slice);
         });
}

static LogicalResult lower(SliceOp op, FunctionLowering &function) {
  Value whole = function.buffer(op.getInput());
  if (mayStay(op, function) && !function.isResult(op)) {
    function.setBuffer(op, function.view(whole, getBufferType(op.getType())));
    return success();
  }
  Value box = function.destination(op);
  Value inside = getBox(whole, box, op.getOffsets(), op.getStrides(), function);
  exec::CopyOp::create(function.builder, op->getLoc(), inside, box);
  return success();
}

static LogicalResult lower(PlaceOp op, FunctionLowering &function) {
  Value whole = function.destination(op), box = function.buffer(op.getInput());
  exec::FillOp::create(function.builder, op->getLoc(), whole,
                       function.builder.getF32FloatAttr(0));
  Value inside = getBox(whole, box, op.getOffsets(), op.getStrides(), function);
  exec::CopyOp::create(function.builder, op->getLoc(), box, inside);
  return success();
}

void fp8c::addShapeLowerings(LoweringTable &table) {
  table.add<ReshapeOp>(lower);
  table.add<TransposeOp>(lower);
  table.add<fp8::TransposeOp>(lowerScaled);
  table.add<SplitOp>(lower);
  table.add<ConcatOp>(lowerConcat<ConcatOp>);
  table.add<fp8::ConcatOp>(lowerConcat<fp8::ConcatOp>);
  table.add<BroadcastToOp>(lower);
  table.add<SliceOp>(lower);
  table.add<PlaceOp>(lower);
}
