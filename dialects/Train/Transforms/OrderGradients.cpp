//===- OrderGradients.cpp - train-order-gradients -------------------------===//

#include "Train/IR/Functions.h"
#include "Train/Transforms/Gradients.h"
#include "Train/Transforms/Passes.h"
#include "mlir/Analysis/SliceAnalysis.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

namespace fp8c::train {
#define GEN_PASS_DEF_ORDERGRADIENTS
#include "Train/Transforms/Passes.h.inc"
} // namespace fp8c::train

/// Does an op of `needed` read a variable that one of `delayed` assigns?
static bool readsWhatIsAssigned(const SetVector<Operation *> &needed,
                                ArrayRef<Operation *> delayed) {
  DenseSet<StringRef> assigned;
  for (Operation *op : delayed)
    if (auto assign = dyn_cast<AssignOp>(op))
      assigned.insert(assign.getVariable());
  return llvm::any_of(needed, [&](Operation *op) {
    auto read = dyn_cast<ReadOp>(op);
    return read && assigned.contains(read.getVariable());
  });
}

/// Moves what `last` does not need, from `first` on, behind it.
static void delayOthers(Operation *first, Operation *last) {
  BackwardSliceOptions options;
  options.inclusive = true;
  SetVector<Operation *> needed;
  (void)getBackwardSlice(last, &needed, options);
  SmallVector<Operation *> delayed;
  for (Operation *op = first; op != last; op = op->getNextNode())
    if (!needed.contains(op))
      delayed.push_back(op);
  if (readsWhatIsAssigned(needed, delayed))
    return;
  Operation *at = last;
  for (Operation *op : delayed) {
    op->moveAfter(at);
    at = op;
  }
}

namespace {
struct OrderGradients : train::impl::OrderGradientsBase<OrderGradients> {
  using Base::Base;
  void runOnProgram() override {
    func::FuncOp micro = findFunction(getOperation(), FunctionKind::micro);
    if (!isDataParallel(getOperation()) || !micro)
      return;
    SmallVector<Gradient> gradients =
        findGradients(micro, Layout(getOperation()));
    while (!gradients.empty() && gradients.back().getNumElements() < window)
      gradients.pop_back();
    if (gradients.empty())
      return;
    Operation *last = gradients.pop_back_val().value.getDefiningOp(),
              *first = last;
    for (int64_t elements = 0; last && !gradients.empty();) {
      const Gradient gradient = gradients.pop_back_val();
      elements += gradient.getNumElements();
      Operation *op = gradient.value.getDefiningOp();
      if (elements > window || !op)
        break;
      first = op;
    }
    if (first != last)
      delayOthers(first, last);
  }
};
} // namespace
