//===- TrainVJP.cpp - What the VJPs of train ops share --------------------===//

#include "Train/IR/TrainVJP.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

Value train::markIfParameter(Value gradient, Value operand) {
  Operation *source = operand.getDefiningOp();
  while (isa_and_nonnull<CastOp, ReshapeOp, TransposeOp, SplitOp>(source))
    source = source->getOperand(0).getDefiningOp();
  if (isa_and_nonnull<ReadOp>(source))
    setPhase(gradient.getDefiningOp(), Phase::wgrad);
  return gradient;
}

Value train::reduceToOperand(OpBuilder &builder, Value gradient,
                             Value operand) {
  Location loc = gradient.getLoc();
  auto from = cast<RankedTensorType>(gradient.getType());
  auto to = cast<RankedTensorType>(operand.getType());
  int64_t leading = from.getRank() - to.getRank();
  assert(leading >= 0 && "operands broadcast to the result's rank");

  SmallVector<int64_t> axes, kept;
  for (auto [i, size] : llvm::enumerate(from.getShape())) {
    int64_t dim = static_cast<int64_t>(i) - leading;
    if (dim < 0 || (size != 1 && to.getDimSize(dim) == 1))
      axes.push_back(i);
    else
      kept.push_back(size);
  }
  Type element = to.getElementType();
  if (!axes.empty())
    gradient = markIfParameter(
        ReduceSumOp::create(builder, loc, RankedTensorType::get(kept, element),
                            gradient, axes),
        operand);
  else if (from.getElementType() != element)
    gradient = markIfParameter(
        CastOp::create(builder, loc, from.clone(element), gradient), operand);
  if (gradient.getType() != to)
    gradient =
        markIfParameter(ReshapeOp::create(builder, loc, to, gradient), operand);
  return gradient;
}
