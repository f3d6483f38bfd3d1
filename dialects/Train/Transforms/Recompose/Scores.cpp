//===- Scores.cpp - From the softmax back to the product ------------------===//

#include "Train/Transforms/Recompose/Scores.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

bool train::isOfScores(ArrayRef<int64_t> shape, ArrayRef<int64_t> scores) {
  return shape == scores ||
         (shape.size() == 3 && shape[0] == scores[0] * scores[1] &&
          shape.take_back(2) == scores.take_back(2));
}

/// Whether it is a product of matrices, or one with something done to it that
/// is done to scores.
static bool comesFromProduct(Value value) {
  SmallVector<Value> open = {value};
  SmallPtrSet<Value, 16> seen;
  while (!open.empty()) {
    value = open.pop_back_val();
    Operation *op = value.getDefiningOp();
    if (!op || !seen.insert(value).second)
      continue;
    if (isa<MatmulOp>(op))
      return true;
    if (isa<AddOp, SelectOp>(op))
      llvm::append_range(open, op->getOperands());
    else if (std::optional<Scaled> scaled = getScaled(value))
      open.push_back(scaled->value);
    else if (isa<ReshapeOp, TanhOp>(op))
      open.push_back(op->getOperand(0));
  }
  return false;
}

/// The shape of what is added to scores `of`, with batch and heads apart; empty
/// if it does not broadcast to them.
static SmallVector<int64_t> getBiasShape(Value bias, Value of,
                                         ArrayRef<int64_t> scores) {
  ArrayRef<int64_t> own = shapeOf(bias);
  SmallVector<int64_t> shape(own);
  if (shape.size() > shapeOf(of).size())
    return {};
  if (shapeOf(of).size() == 3 && own.size() == 3 && own[0] != 1)
    shape.insert(shape.begin() + 1, scores[1]), shape[0] /= scores[1];
  shape.insert(shape.begin(), 4 - shape.size(), 1);
  return shape;
}

/// Takes an op off the scores that adds to them or hides keys; false if it is
/// neither.
static bool takeBias(Operation *op, MaskReader &masks, Parts &parts,
                     Value &scores) {
  Value rest;
  Bias bias = {{}, nullptr, parts.scale, {}};
  if (isa<AddOp>(op)) {
    for (unsigned i = 0; i < 2 && !rest; ++i)
      if (op->getOperand(i).getType() == op->getResult(0).getType() &&
          comesFromProduct(op->getOperand(i))) {
        rest = op->getOperand(i);
        bias.value = op->getOperand(1 - i);
      }
  } else if (auto select = dyn_cast<SelectOp>(op)) {
    for (bool hides : {true, false}) {
      Value hidden = hides ? select.getPositive() : select.getOtherwise();
      std::optional<double> number = getNumber(hidden);
      if (!number || !(*number * parts.scale <= kMasking))
        continue;
      rest = hides ? select.getOtherwise() : select.getPositive();
      bias.value = select.getCondition();
      bias.hides = hides;
      bias.hidden = *number * parts.scale;
      break;
    }
  }
  if (!rest || rest.getType() != op->getResult(0).getType())
    return false;
  bias.shape = getBiasShape(bias.value, rest, shapeOf(parts.softmax));
  if (bias.shape.empty() ||
      (!bias.hides && !getElementTypeOrSelf(bias.value).isF32()))
    return false;
  bias.plane = masks.read(bias.value);
  if (bias.hides && !bias.plane && bias.hidden > kSwallowing)
    return false;
  parts.biases.push_back(std::move(bias));
  scores = rest;
  return true;
}

bool train::readScores(Parts &parts, MaskReader &masks, std::string &why) {
  Value scores = parts.softmax.getInput();
  while (true) {
    Operation *op = scores.getDefiningOp();
    if (!op)
      return false;
    if (!isOfScores(shapeOf(scores), shapeOf(parts.softmax)))
      return false;
    if (auto product = dyn_cast<MatmulOp>(op)) {
      parts.scores = product;
      if (parts.softcap != 0.0)
        parts.scale *= parts.softcap;
      return true;
    }
    if (auto reshape = dyn_cast<ReshapeOp>(op)) {
      scores = reshape.getInput();
    } else if (std::optional<Scaled> scaled = getScaled(scores)) {
      parts.scale *= scaled->factor;
      scores = scaled->value;
      if (!std::isfinite(parts.scale))
        return false;
    } else if (isa<TanhOp>(op)) {
      if (parts.softcap != 0.0 || !(parts.scale > 0.0)) {
        why = "caps its scores twice, or at no positive number";
        return false;
      }
      parts.softcap = std::exchange(parts.scale, 1.0);
      scores = op->getOperand(0);
    } else if (parts.softcap != 0.0 || !takeBias(op, masks, parts, scores)) {
      if (isa<AddOp, SelectOp>(op))
        why = parts.softcap != 0.0 ? "adds to its scores before it caps them"
                                   : "adds to its scores what is no f32, or "
                                     "hides keys by a number that is not low";
      return false;
    }
  }
}
