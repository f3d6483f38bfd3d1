//===- BoundIds.cpp - train-bound-ids -------------------------------------===//

#include "Train/IR/Train.h"
#include "Train/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

namespace fp8c::train {
#define GEN_PASS_DEF_BOUNDIDS
#include "Train/Transforms/Passes.h.inc"
} // namespace fp8c::train

constexpr int64_t kUsualIgnoreIndex = -100;

namespace {
/// What the uses of an argument ask of its values.
struct Bounds {
  std::optional<int64_t> ids, ignoreIndex;

  void limit(int64_t count) { ids = std::min(ids.value_or(count), count); }
  void visit(OpOperand &use, SmallVectorImpl<Value> &pending);
};

struct BoundIds : train::impl::BoundIdsBase<BoundIds> {
  using Base::Base;
  void runOnProgram() override;
};
} // namespace

/// Whether all elements of the results are elements of the operands.
static bool onlyMoves(Operation *op) {
  auto precision = dyn_cast<PrecisionOpInterface>(op);
  return precision &&
         precision.getResultPrecision(0) == ResultPrecision::Inherited;
}

void Bounds::visit(OpOperand &use, SmallVectorImpl<Value> &pending) {
  Operation *user = use.getOwner();
  if (auto embedding = dyn_cast<EmbeddingOp>(user)) {
    if (use == embedding.getIdsMutable())
      limit(fp8::getShape(embedding.getTable().getType()).front());
  } else if (auto loss = dyn_cast<CrossEntropyOp>(user)) {
    if (use != loss.getLabelsMutable())
      return;
    limit(loss.getClasses().value_or(
        fp8::getShape(loss.getLogits().getType()).back()));
    if (int64_t ignored = loss.getIgnoreIndex(); ignored != kUsualIgnoreIndex)
      ignoreIndex = ignored;
  } else if (onlyMoves(user)) {
    llvm::append_range(pending, user->getResults());
  }
}

static Bounds getBounds(Value argument) {
  Bounds bounds;
  SmallVector<Value> pending = {argument};
  DenseSet<Value> seen;
  while (!pending.empty())
    if (Value value = pending.pop_back_val(); seen.insert(value).second)
      for (OpOperand &use : value.getUses())
        bounds.visit(use, pending);
  return bounds;
}

void BoundIds::runOnProgram() {
  Builder builder(&getContext());
  for (func::FuncOp function : getFunctions(getOperation()))
    for (BlockArgument argument : function.getArguments()) {
      if (!getElementTypeOrSelf(argument.getType()).isInteger())
        continue;
      Bounds bounds = getBounds(argument);
      unsigned index = argument.getArgNumber();
      if (bounds.ids)
        function.setArgAttr(index, kIdsAttr,
                            builder.getI64IntegerAttr(*bounds.ids));
      if (bounds.ignoreIndex)
        function.setArgAttr(index, kIgnoreIndexAttr,
                            builder.getI64IntegerAttr(*bounds.ignoreIndex));
    }
}
