//===- ModelParts.cpp - Parts of a model known by structure ---------------===//

#include "FP8/Training/ModelParts.h"

using namespace mlir;

namespace fp8c::fp8 {

/// Whether the op's result is its operands' elements, elsewhere or changed one
/// by one: a reshape, a scale, a cap.
static bool isElementwise(Operation *op) {
  return isa<train::ScalarExpansionOpInterface, train::ReshapeOp,
             train::TransposeOp, train::SliceOp, train::PlaceOp,
             train::BroadcastToOp, train::ConcatOp>(op);
}

ModelParts::ModelParts(ModuleOp module) {
  module.walk([&](train::CrossEntropyOp loss) {
    SmallVector<Value> pending = {loss.getLogits()};
    DenseSet<Value> seen;
    while (!pending.empty()) {
      Value value = pending.pop_back_val();
      Operation *op = value.getDefiningOp();
      if (!op || !seen.insert(value).second)
        continue;
      if (getContraction(op))
        addHead(op);
      else if (isElementwise(op))
        llvm::append_range(pending, op->getOperands());
    }
  });
}

void ModelParts::addHead(Operation *contraction) {
  heads.insert(train::getName(contraction));
  for (Value operand : contraction->getOperands()) {
    Operation *op = operand.getDefiningOp();
    while (op && isElementwise(op) && op->getNumOperands() == 1)
      op = op->getOperand(0).getDefiningOp();
    if (auto read = dyn_cast_or_null<train::ReadOp>(op))
      parameters.insert(read.getVariable());
  }
}

} // namespace fp8c::fp8
