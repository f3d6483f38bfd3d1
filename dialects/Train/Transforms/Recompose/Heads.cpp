//===- Heads.cpp - Where heads lie ----------------------------------------===//

#include "Train/Transforms/Recompose/Heads.h"

#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

Heads::Heads(Value value, ArrayRef<Factors> dims)
    : value(value), dims(dims), batch(count(Axis::batch)),
      tokens(count(Axis::token)) {
  for (Factors &dim : this->dims)
    llvm::erase_if(dim, [](Factor factor) { return factor.size == 1; });
}

int64_t Heads::count(Axis axis) const {
  int64_t count = 1;
  for (const Factors &dim : dims)
    for (Factor factor : dim)
      if (factor.axis == axis)
        count *= factor.size;
  return count;
}

void Heads::goBack(bool scales) {
  while (step(scales)) {
  }
}

bool Heads::step(bool scales) {
  Operation *op = value.getDefiningOp();
  if (!op || !op->getNumOperands() ||
      getElementTypeOrSelf(op->getOperand(0)) != getElementTypeOrSelf(value))
    return false;
  if (auto transpose = value.getDefiningOp<TransposeOp>()) {
    SmallVector<Factors> from(dims.size());
    for (auto [to, dim] : llvm::zip(dims, transpose.getPermutation()))
      from[dim] = to;
    dims = std::move(from);
    value = transpose.getInput();
    return true;
  }
  if (auto reshape = value.getDefiningOp<ReshapeOp>())
    return stepReshape(reshape);
  if (auto broadcast = value.getDefiningOp<BroadcastToOp>())
    return stepBroadcast(broadcast);
  if (std::optional<Scaled> scaled = scales ? getScaled(value) : std::nullopt) {
    scale *= scaled->factor;
    value = scaled->value;
    return true;
  }
  return false;
}

/// The factors, in order, are divided among other dimensions.
bool Heads::stepReshape(ReshapeOp reshape) {
  SmallVector<Factor> rest;
  for (const Factors &dim : llvm::reverse(dims))
    rest.append(dim.rbegin(), dim.rend()); // the next one is the last
  SmallVector<Factors> from;
  for (int64_t size : shapeOf(reshape.getInput())) {
    Factors &dim = from.emplace_back();
    while (size > 1) {
      if (rest.empty())
        return false;
      Factor factor = rest.pop_back_val();
      if (size % factor.size == 0) {
        size /= factor.size;
        dim.push_back(factor);
        continue;
      }
      // Heads are those of a key, each so many times.
      if (factor.axis != Axis::head || factor.size % size != 0 ||
          count(Axis::repeat) > 1)
        return false;
      rest.push_back({Axis::repeat, factor.size / size});
      dim.push_back({Axis::head, size});
      size = 1;
    }
  }
  if (!rest.empty())
    return false;
  dims = std::move(from);
  value = reshape.getInput();
  return true;
}

/// Only heads may be repeated, and the innermost ones.
bool Heads::stepBroadcast(BroadcastToOp broadcast) {
  ArrayRef<int64_t> from = shapeOf(broadcast.getInput()),
                    to = shapeOf(broadcast);
  size_t added = to.size() - from.size();
  bool hasRepeats = count(Axis::repeat) > 1;
  SmallVector<Factors> left;
  for (auto [i, dim] : llvm::enumerate(dims)) {
    bool isRepeated = i < added ? to[i] != 1 : from[i - added] != to[i];
    if (isRepeated && !llvm::all_of(dim, [&](Factor factor) {
          return factor.axis == Axis::repeat ||
                 (factor.axis == Axis::head && !hasRepeats);
        }))
      return false;
    if (i >= added)
      left.push_back(isRepeated ? Factors() : dim);
  }
  dims = std::move(left);
  value = broadcast.getInput();
  return true;
}

Value Heads::merge(RewriterBase &rewriter, Operation *origin) const {
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPointAfterValue(value);
  // A dimension for each factor, in the right order, then the three.
  SmallVector<Factor> factors;
  SmallVector<int64_t> apart;
  for (const Factors &dim : dims)
    for (Factor factor : dim) {
      factors.push_back(factor);
      apart.push_back(factor.size);
    }
  auto type = cast<RankedTensorType>(value.getType());
  SmallVector<int64_t> order = llvm::to_vector(
      llvm::seq<int64_t>(0, static_cast<int64_t>(factors.size())));
  llvm::stable_sort(order, [&](int64_t a, int64_t b) {
    return factors[a].axis < factors[b].axis;
  });
  auto reshape = [&](Value from, ArrayRef<int64_t> shape) -> Value {
    if (shapeOf(from) == shape)
      return from;
    return createFor<ReshapeOp>(rewriter, origin, type.clone(shape), from);
  };
  Value merged = value;
  if (!llvm::is_sorted(order))
    merged =
        createFor<TransposeOp>(rewriter, origin, reshape(merged, apart), order);
  return reshape(merged,
                 {batch, tokens, type.getNumElements() / (batch * tokens)});
}

Value train::splitHeads(RewriterBase &rewriter, Operation *origin, Value merged,
                        int64_t heads, bool turns) {
  auto type = cast<RankedTensorType>(merged.getType());
  ArrayRef<int64_t> shape = type.getShape();
  Value split = createFor<ReshapeOp>(
      rewriter, origin,
      type.clone({shape[0], shape[1], heads, shape[2] / heads}), merged);
  if (!turns)
    return split;
  return createFor<TransposeOp>(rewriter, origin, split,
                                ArrayRef<int64_t>{0, 2, 1, 3});
}
