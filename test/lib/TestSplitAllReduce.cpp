//===- TestSplitAllReduce.cpp - Other ways to the same sums ---------------===//

#include "TestSplitAllReduce.h"

#include "FP8/IR/FP8.h"
#include "FP8/IR/JoinedTypes.h"
#include "Train/IR/Train.h"
#include "mlir/Pass/Pass.h"

using namespace mlir;
using namespace fp8c;

namespace {
/// Values that processes join, or share out, and what it makes of them.
struct Split {
  SmallVector<Value> inputs, outputs;
  SmallVector<Type> shares;

  void add(Value input, Value output, int64_t rows) {
    inputs.push_back(input);
    outputs.push_back(output);
    shares.push_back(withFirstDimension(input.getType(), rows));
  }
  TypeRange types() const { return ValueRange(inputs).getTypes(); }
  void replaceWith(ValueRange values) {
    for (auto [output, value] : llvm::zip(outputs, values))
      output.replaceAllUsesWith(value);
  }
};

/// Every sum that divides among the processes is made by what an all-reduce
/// consists of; shares go round twice before, and are where they were.
template <typename AllReduce, typename AllToAll, typename AllGather>
struct Splitter {
  static void split(AllReduce op, bool locally) {
    OpBuilder builder(op);
    int64_t processes = train::countProcesses(op, op.getAxes());
    Split split, rest;
    for (auto [input, output] : llvm::zip(op.getInputs(), op.getOutputs())) {
      ArrayRef<int64_t> shape = fp8::getShape(input.getType());
      bool divides = input.getType() == output.getType() && !shape.empty() &&
                     shape.front() % processes == 0;
      (divides ? split : rest)
          .add(input, output, divides ? shape.front() / processes : 0);
    }
    if (split.inputs.empty())
      return;
    auto toAll = [&](ValueRange values) -> ValueRange {
      return train::createFor<AllToAll>(builder, op, split.types(), values,
                                        op.getAxesAttr())
          .getOutputs();
    };
    SmallVector<Value> sums;
    if (locally)
      for (auto [value, share] : llvm::zip(toAll(split.inputs), split.shares))
        sums.push_back(sumShares(builder, op, value, share, processes));
    else
      sums =
          createScatter(builder, op, split.shares, toAll(toAll(split.inputs)))
              .getOutputs();
    split.replaceWith(train::createFor<AllGather>(builder, op, split.types(),
                                                  sums, op.getAxesAttr())
                          .getOutputs());
    if (!rest.inputs.empty()) {
      OperationState state(op.getLoc(), op->getName(), rest.inputs,
                           SmallVector<Type>(rest.types()), op->getAttrs());
      rest.replaceWith(builder.create(state)->getResults());
    }
    op.erase();
  }

  static train::ReduceScatterOp createScatter(OpBuilder &builder,
                                              train::AllReduceOp op,
                                              TypeRange types,
                                              ValueRange values) {
    return train::createFor<train::ReduceScatterOp>(
        builder, op, types, values, op.getReductionAttr(), op.getAxesAttr());
  }
  static fp8::ReduceScatterOp createScatter(OpBuilder &builder,
                                            fp8::AllReduceOp op,
                                            TypeRange types,
                                            ValueRange values) {
    return train::createFor<fp8::ReduceScatterOp>(builder, op, types, values,
                                                  op.getAxesAttr());
  }

  /// The sum of what came from all processes.
  static Value sumShares(OpBuilder &builder, Operation *op, Value value,
                         Type share, int64_t processes) {
    auto type = cast<RankedTensorType>(share);
    SmallVector<int64_t> shape(type.getShape());
    shape.insert(shape.begin(), processes);
    Value apart = train::createFor<train::ReshapeOp>(builder, op,
                                                     type.clone(shape), value);
    return train::createFor<train::ReduceSumOp>(builder, op, apart,
                                                ArrayRef<int64_t>{0});
  }
};

struct TestSplitAllReduce
    : PassWrapper<TestSplitAllReduce, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(TestSplitAllReduce)
  TestSplitAllReduce() = default;
  TestSplitAllReduce(const TestSplitAllReduce &other) : PassWrapper(other) {}

  StringRef getArgument() const override { return "test-split-all-reduce"; }
  StringRef getDescription() const override {
    return "Sum by all-to-all, reduce-scatter and all-gather";
  }

  void runOnOperation() override {
    SmallVector<train::AllReduceOp> values;
    SmallVector<fp8::AllReduceOp> codes;
    getOperation().walk([&](Operation *op) {
      if (auto sum = dyn_cast<train::AllReduceOp>(op);
          sum && sum.getReduction() == train::Reduction::sum)
        values.push_back(sum);
      if (auto sum = dyn_cast<fp8::AllReduceOp>(op); sum && !sum.getNative())
        codes.push_back(sum);
    });
    for (train::AllReduceOp sum : values)
      Splitter<train::AllReduceOp, train::AllToAllOp,
               train::AllGatherOp>::split(sum, locally);
    for (fp8::AllReduceOp sum : codes)
      Splitter<fp8::AllReduceOp, fp8::AllToAllOp, fp8::AllGatherOp>::split(
          sum, /*locally=*/false);
  }

  Option<bool> locally{
      *this, "locally", llvm::cl::init(false),
      llvm::cl::desc("Add what comes from others as any other values")};
};
} // namespace

void test::registerTestSplitAllReduce() {
  PassRegistration<TestSplitAllReduce>();
}
