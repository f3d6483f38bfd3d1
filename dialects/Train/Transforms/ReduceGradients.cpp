//===- ReduceGradients.cpp - train-reduce-gradients -----------------------===//
//
// Each process has the gradient of its own data. It is complete where it is
// assigned: in @micro, or in @micro_last where micro-batches are summed first.
//
//===----------------------------------------------------------------------===//

#include "Train/IR/Functions.h"
#include "Train/Transforms/Gradients.h"
#include "Train/Transforms/Passes.h"
#include "mlir/Analysis/SliceAnalysis.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

namespace fp8c::train {
#define GEN_PASS_DEF_REDUCEGRADIENTS
#include "Train/Transforms/Passes.h.inc"
} // namespace fp8c::train

/// Ops of the block that need the value, in order.
static SmallVector<Operation *> getDependents(Value value) {
  SetVector<Operation *> slice;
  getForwardSlice(value, &slice);
  SmallVector<Operation *> ops = slice.takeVector();
  llvm::sort(ops,
             [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  return ops;
}

/// Sums a bucket's gradients where the last of them is there; what stores them
/// comes behind.
static void reduce(ArrayRef<Gradient> bucket) {
  OpBuilder builder(bucket.front().value.getContext());
  builder.setInsertionPointAfterValue(bucket.back().value);
  SmallVector<SmallVector<Operation *>> dependents;
  SmallVector<Value> parts;
  for (const Gradient &gradient : bucket) {
    dependents.push_back(getDependents(gradient.value));
    parts.push_back(gradient.value.getType() == gradient.wire
                        ? gradient.value
                        : createFor<CastOp>(builder, gradient.assign,
                                            gradient.wire, gradient.value));
  }
  auto sums = createFor<AllReduceOp>(
      builder, bucket.front().assign, TypeRange(ValueRange(parts)), parts,
      Reduction::sum, builder.getStrArrayAttr({kDataAxis}));
  setName(sums, "");
  Operation *at = sums;
  for (auto [gradient, output, ops] :
       llvm::zip(bucket, sums.getOutputs(), dependents)) {
    Value value = gradient.value, sum = output;
    builder.setInsertionPointAfter(at);
    if (sum.getType() != value.getType()) {
      sum = createFor<CastOp>(builder, gradient.assign, value.getType(), sum);
      at = sum.getDefiningOp();
    }
    value.replaceUsesWithIf(sum, [&ops = ops](OpOperand &use) {
      return llvm::is_contained(ops, use.getOwner());
    });
    for (Operation *op : ops) {
      op->moveAfter(at);
      at = op;
    }
  }
}

/// Does the function add to gradients?
static bool accumulates(func::FuncOp micro) {
  return llvm::any_of(micro.getOps<ReadOp>(),
                      [](ReadOp read) { return read.getAccumulated(); });
}

static func::FuncOp cloneAsLast(func::FuncOp micro) {
  func::FuncOp last = micro.clone();
  setFunctionKind(last, FunctionKind::micro_last);
  micro->getBlock()->getOperations().insertAfter(micro->getIterator(), last);
  return last;
}

namespace {
struct ReduceGradients : train::impl::ReduceGradientsBase<ReduceGradients> {
  using Base::Base;
  void runOnProgram() override {
    ModuleOp module = getOperation();
    func::FuncOp micro = findFunction(module, FunctionKind::micro);
    if (!isDataParallel(module) || !micro ||
        findFunction(module, FunctionKind::micro_last))
      return;
    if (accumulates(micro))
      micro = cloneAsLast(micro);
    SmallVector<Gradient> open, vectors;
    int64_t elements = 0;
    auto close = [&] {
      reduce(open);
      open.clear();
      elements = 0;
    };
    for (const Gradient &gradient : findGradients(micro, Layout(module))) {
      if (gradient.wire.getRank() < 2) {
        vectors.push_back(gradient);
        continue;
      }
      // What is there need not wait for what fills a bucket alone.
      if (gradient.getNumElements() >= bucket && !open.empty() &&
          elements >= bucket / 4)
        close();
      open.push_back(gradient);
      elements += gradient.getNumElements();
      if (elements >= bucket)
        close();
    }
    if (!open.empty())
      close();
    if (!vectors.empty())
      reduce(vectors);
  }
};
} // namespace
