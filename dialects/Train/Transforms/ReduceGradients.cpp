//===- ReduceGradients.cpp - train-reduce-gradients -----------------------===//
//
// Each process has the gradient of its own data. It is complete where it is
// assigned: in @micro, or in @micro_last where micro-batches are summed first.
//
//===----------------------------------------------------------------------===//

#include "Train/IR/Functions.h"
#include "Train/Transforms/BuildUtils.h"
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

/// What this process sends of a gradient.
static Value getPart(const Gradient &gradient, OpBuilder &builder) {
  if (gradient.value.getType() == gradient.wire)
    return gradient.value;
  return createFor<CastOp>(builder, gradient.assign, gradient.wire,
                           gradient.value);
}

namespace {
/// The gradients of a step's micro-batches, where they are kept apart until
/// they are summed.
class Parts {
public:
  explicit Parts(ModuleOp module) : symbols(module) {
    auto count = module->getAttrOfType<IntegerAttr>(kMicroBatchesAttr);
    if (count && module->hasAttr(kReproducibleAttr))
      microBatches = count.getInt();
  }
  bool any() const { return microBatches > 1; }
  /// What this process sends of a gradient: its part, or those that are kept.
  Value get(const Gradient &gradient, OpBuilder &builder) {
    Value part = getPart(gradient, builder);
    return any() ? keep(gradient, part, builder) : part;
  }

private:
  Value keep(const Gradient &gradient, Value part, OpBuilder &builder);
  VariableOp declare(Gradient gradient);

  SymbolTable symbols;
  int64_t microBatches = 1;
  DenseMap<StringAttr, VariableOp> variables; ///< by the gradient's
};
} // namespace

VariableOp Parts::declare(Gradient gradient) {
  StringAttr name = gradient.assign.getVariableAttr().getAttr();
  VariableOp &variable = variables[name];
  if (variable)
    return variable;
  SmallVector<int64_t> shape = {microBatches};
  llvm::append_range(shape, gradient.wire.getShape());
  auto whole = symbols.lookup<VariableOp>(name);
  OpBuilder builder(whole);
  builder.setInsertionPointAfter(whole);
  variable = VariableOp::create(
      builder, whole.getLoc(), (name.getValue() + ".parts").str(),
      RankedTensorType::get(shape, gradient.wire.getElementType()),
      Role::gradient_parts, whole.getInit(), whole.getOfAttr());
  symbols.insert(variable); // under another name, if this one is taken
  return variable;
}

Value Parts::keep(const Gradient &gradient, Value part, OpBuilder &builder) {
  VariableOp variable = declare(gradient);
  Operation *served = gradient.assign;
  auto parts = createFor<ReadOp>(builder, served, variable.getType(),
                                 variable.getSymName(), /*accumulated=*/false);
  auto index = createFor<HyperOp>(builder, served, kMicroBatch);
  auto all = createFor<PutPartOp>(builder, served, part, parts, index);
  createFor<AssignOp>(builder, served, variable.getSymName(), all);
  return all;
}

/// Keeps a bucket's gradients where the last of them is there, and assigns
/// none. Not before: what is fused must not depend on which micro-batch it is,
/// for fusing differently adds in another order.
static void keep(ArrayRef<Gradient> bucket, Parts &all) {
  OpBuilder builder(bucket.front().value.getContext());
  builder.setInsertionPointAfterValue(bucket.back().value);
  for (const Gradient &gradient : bucket)
    all.get(gradient, builder);
  for (Gradient gradient : bucket)
    gradient.assign.erase();
}

/// Sums a bucket's gradients where the last of them is there; what stores them
/// comes behind.
static void reduce(ArrayRef<Gradient> bucket, Parts &all) {
  OpBuilder builder(bucket.front().value.getContext());
  builder.setInsertionPointAfterValue(bucket.back().value);
  SmallVector<SmallVector<Operation *>> dependents;
  SmallVector<Value> parts;
  SmallVector<Type> types;
  for (const Gradient &gradient : bucket) {
    dependents.push_back(getDependents(gradient.value));
    parts.push_back(all.get(gradient, builder));
    types.push_back(gradient.wire);
  }
  auto sums = createFor<AllReduceOp>(builder, bucket.front().assign, types,
                                     parts, Reduction::sum,
                                     builder.getStrArrayAttr({kDataAxis}));
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
    Parts parts(module);
    if (!parts.any() && !accumulates(micro))
      return forBuckets(micro,
                        [&](auto gradients) { reduce(gradients, parts); });
    func::FuncOp last = cloneAsLast(micro);
    forBuckets(last, [&](auto gradients) { reduce(gradients, parts); });
    if (!parts.any())
      return;
    forBuckets(micro, [&](auto gradients) { keep(gradients, parts); });
    eraseDeadOps(micro.getBody().front());
  }

private:
  void forBuckets(func::FuncOp micro,
                  llvm::function_ref<void(ArrayRef<Gradient>)> close);
};
} // namespace

/// Gradients that travel together.
void ReduceGradients::forBuckets(
    func::FuncOp micro, llvm::function_ref<void(ArrayRef<Gradient>)> close) {
  SmallVector<Gradient> open, vectors;
  int64_t elements = 0;
  auto closeOpen = [&] {
    close(open);
    open.clear();
    elements = 0;
  };
  for (const Gradient &gradient :
       findGradients(micro, Layout(getOperation()))) {
    if (gradient.wire.getRank() < 2) {
      vectors.push_back(gradient);
      continue;
    }
    // What is there need not wait for what fills a bucket alone.
    if (gradient.getNumElements() >= bucket && !open.empty() &&
        elements >= bucket / 4)
      closeOpen();
    open.push_back(gradient);
    elements += gradient.getNumElements();
    if (elements >= bucket)
      closeOpen();
  }
  if (!open.empty())
    closeOpen();
  if (!vectors.empty())
    close(vectors);
}
