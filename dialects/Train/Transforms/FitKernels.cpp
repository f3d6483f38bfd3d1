//===- FitKernels.cpp - train-fit-kernels ---------------------------------===//
//
// A kernel runs over rows and columns. It sums whole columns, or reduces rows
// and keeps one number for each (of integers, only the latter); it reads an
// operand whole, as one number, as trailing dimensions of its shape or as one
// number per row. What differs is moved or repeated here, before fusions are
// formed.
//
//===----------------------------------------------------------------------===//

#include "Train/IR/Train.h"
#include "Train/Transforms/BuildUtils.h"
#include "Train/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

namespace fp8c::train {
#define GEN_PASS_DEF_FITKERNELS
#include "Train/Transforms/Passes.h.inc"
} // namespace fp8c::train

using Shape = ArrayRef<int64_t>;

static RankedTensorType typeOf(Value value) {
  return cast<RankedTensorType>(value.getType());
}

static Value reshape(OpBuilder &builder, Value value, Shape shape) {
  RankedTensorType type = typeOf(value).clone(shape);
  if (type == value.getType())
    return value;
  return ReshapeOp::create(builder, value.getLoc(), type, value);
}

/// The input as [what is kept, what is reduced].
static Value asMatrix(OpBuilder &builder, Value input, Shape axes) {
  RankedTensorType type = typeOf(input);
  SmallVector<int64_t> permutation;
  int64_t rows = 1, columns = 1;
  for (auto [i, size] : llvm::enumerate(type.getShape())) {
    bool isReduced = llvm::is_contained(axes, static_cast<int64_t>(i));
    (isReduced ? columns : rows) *= size;
    if (!isReduced)
      permutation.push_back(i);
  }
  llvm::append_range(permutation, axes);
  if (!llvm::is_sorted(permutation)) {
    SmallVector<int64_t> shape;
    for (int64_t dim : permutation)
      shape.push_back(type.getDimSize(dim));
    input = TransposeOp::create(builder, input.getLoc(), type.clone(shape),
                                input, permutation);
  }
  return reshape(builder, input, {rows, columns});
}

template <typename Op> static void fitReduction(OpBuilder &builder, Op op) {
  Value input = op.getInput();
  RankedTensorType type = typeOf(op.getOutput());
  Shape axes = op.getAxes();
  int64_t rank = typeOf(input).getRank(), count = axes.size();
  if (axes.empty()) {
    if (type != input.getType())
      input = CastOp::create(builder, op.getLoc(), type, input);
    op.replaceAllUsesWith(input);
    return op.erase();
  }
  bool isColumns = std::is_same_v<Op, ReduceSumOp> && isFloat(input) &&
                   axes.back() == count - 1;
  bool isRows = count == 1 && axes.front() == rank - 1;
  if (isColumns || (isRows && op.getKeepdims()))
    return;
  if (!isRows) {
    input = asMatrix(builder, input, axes);
    rank = 2;
  }
  SmallVector<int64_t> shape(typeOf(input).getShape());
  shape.back() = 1;
  Value sums = Op::create(builder, op.getLoc(), type.clone(shape), input,
                          ArrayRef<int64_t>{rank - 1}, /*keepdims=*/true);
  op.replaceAllUsesWith(reshape(builder, sums, type.getShape()));
  op.erase();
}

/// Whether a kernel over `domain` can read a tensor of `shape`.
static bool fits(Shape shape, Shape domain) {
  Shape tile = shape.drop_while([](int64_t size) { return size == 1; });
  bool isRow = shape.size() == domain.size() && !shape.empty() &&
               shape.back() == 1 && shape.drop_back() == domain.drop_back();
  return isRow || (tile.size() <= domain.size() &&
                   tile == domain.take_back(tile.size()));
}

static void fitOperands(OpBuilder &builder, Operation *op) {
  Shape domain = typeOf(op->getResult(0)).getShape();
  for (OpOperand &operand : op->getOpOperands()) {
    RankedTensorType type = typeOf(operand.get());
    if (fits(type.getShape(), domain))
      continue;
    SmallVector<int64_t> shape(domain);
    if (type.getShape().back() == 1)
      shape.back() = 1;
    operand.set(BroadcastToOp::create(builder, op->getLoc(), type.clone(shape),
                                      operand.get()));
  }
}

namespace {
struct FitKernels : train::impl::FitKernelsBase<FitKernels> {
  using Base::Base;
  void runOnProgram() override {
    Annotator annotator;
    OpBuilder builder(&getContext(), &annotator);
    for (func::FuncOp function : getFunctions(getOperation())) {
      for (Operation &op :
           llvm::make_early_inc_range(function.getBody().front())) {
        builder.setInsertionPoint(&op);
        annotator.name = op.getDiscardableAttr(kNameAttr);
        annotator.phase = op.getDiscardableAttr(kPhaseAttr);
        if (auto sum = dyn_cast<ReduceSumOp>(op))
          fitReduction(builder, sum);
        else if (auto max = dyn_cast<ReduceMaxOp>(op))
          fitReduction(builder, max);
        else if (isa<ScalarExpansionOpInterface>(op))
          fitOperands(builder, &op);
      }
    }
  }
};
} // namespace
