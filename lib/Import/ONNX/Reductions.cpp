//===- Reductions.cpp - Sums, means and softmax ---------------------------===//

#include "Import/ONNX/Operators.h"
#include "Import/ONNX/Shapes.h"
#include "Train/IR/Train.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"

using namespace mlir;

namespace fp8c {

//===----------------------------------------------------------------------===//
// Sums
//===----------------------------------------------------------------------===//

namespace {
/// What a node reduces: ascending axes, none meaning that it does nothing.
struct Reduction {
  Shape axes, shape; // of the result
  int64_t count = 1; // elements that become one
  bool keepDims = true;
};
} // namespace

/// Axes are an attribute in old versions and an input in later ones.
static std::optional<Reduction> readReduction(Node &node, int inputSince) {
  Reduction reduction;
  reduction.keepDims = node.integer("keepdims", 1) != 0;
  Shape given;
  bool hasNoOp = false;
  if (node.opset >= inputSince) {
    hasNoOp = node.integer("noop_with_empty_axes", 0) != 0;
    if (node.has(1))
      given = Shape(node.integers(1));
  } else {
    if (node.has(1)) {
      (void)node.invalid("has its axes as an input, which opset " +
                         Twine(node.opset) + " does not know");
      return std::nullopt;
    }
    given = node.integerList("axes").value_or(Shape());
  }
  if (given.empty() && !hasNoOp)
    given = identityPermutation(node.rank(0));
  std::optional<Shape> axes = sortedAxes(node, given, node.rank(0));
  if (!axes)
    return std::nullopt;
  reduction.axes = *axes;
  for (auto [i, dim] : llvm::enumerate(node.shape(0))) {
    bool isReduced = llvm::is_contained(*axes, int64_t(i));
    reduction.count *= isReduced ? dim : 1;
    if (!isReduced || reduction.keepDims)
      reduction.shape.push_back(isReduced ? 1 : dim);
  }
  return reduction;
}

static Value reduceSum(Node &node, const Reduction &reduction, Value value) {
  if (reduction.axes.empty())
    return value;
  return node.create<train::ReduceSumOp>(value, reduction.axes,
                                         reduction.keepDims);
}

template <int inputSince> static LogicalResult importReduceSum(Node &node) {
  std::optional<Reduction> reduction = readReduction(node, inputSince);
  if (!reduction)
    return failure();
  return node.yield(reduceSum(node, *reduction, node.value(0)));
}

static LogicalResult importReduceMean(Node &node) {
  std::optional<Reduction> reduction = readReduction(node, 18);
  if (!reduction)
    return failure();
  Value sum = reduceSum(node, *reduction, node.value(0));
  if (reduction->count == 1)
    return node.yield(sum);
  return node.yield(
      node.create<train::DivOp>(sum, node.scalar(float(reduction->count))));
}

static LogicalResult importReduceSumSquare(Node &node) {
  std::optional<Reduction> reduction = readReduction(node, 18);
  if (!reduction)
    return failure();
  Value x = node.value(0);
  Value square = node.create<train::MulOp>(x, x);
  return node.yield(reduceSum(node, *reduction, square));
}

static LogicalResult importReduceL2(Node &node) {
  if (failed(importReduceSumSquare(node)))
    return failure();
  return node.yield(node.create<train::SqrtOp>(node.result(0)));
}

static LogicalResult importReduceL1(Node &node) {
  std::optional<Reduction> reduction = readReduction(node, 18);
  if (!reduction)
    return failure();
  Value magnitude = node.create<train::AbsOp>(node.value(0));
  return node.yield(reduceSum(node, *reduction, magnitude));
}

/// Reduces integers, which only shapes are made of.
template <int inputSince, typename Function>
static LogicalResult foldReduction(Node &node, int64_t init,
                                   Function function) {
  const Constant &data = *node.constant(0);
  std::optional<Reduction> reduction = readReduction(node, inputSince);
  if (!reduction)
    return failure();
  if (data.isFloat())
    return node.unsupported("reduces floats known while importing");
  // With what is reduced last, each run of elements becomes one.
  Shape permutation;
  for (int64_t i = 0; i < node.rank(0); ++i)
    if (!llvm::is_contained(reduction->axes, i))
      permutation.push_back(i);
  llvm::append_range(permutation, reduction->axes);
  Constant turned =
      data.view(applyPermutation(data.shape(), permutation), 0,
                applyPermutation(rowMajorStrides(data.shape()), permutation));
  std::vector<int64_t> elements(product(reduction->shape), init);
  for (int64_t i = 0; i < turned.size(); ++i) {
    int64_t &element = elements[i / reduction->count];
    element = function(element, turned.integers()[i]);
  }
  return node.yield(
      Constant(data.type().clone(reduction->shape), std::move(elements)));
}

static LogicalResult foldReduceSum(Node &node) {
  return foldReduction<13>(
      node, 0, [](uint64_t a, uint64_t b) { return int64_t(a + b); });
}

static LogicalResult foldReduceProd(Node &node) {
  return foldReduction<18>(
      node, 1, [](uint64_t a, uint64_t b) { return int64_t(a * b); });
}

//===----------------------------------------------------------------------===//
// Softmax
//===----------------------------------------------------------------------===//

/// Applies `build` to the input with the node's axis as the last dimension.
template <typename Build>
static LogicalResult alongAxis(Node &node, Build build) {
  int64_t rank = node.rank(0);
  std::optional<int64_t> axis = node.axis(node.integer("axis", -1), rank);
  if (!axis)
    return failure();
  Value turned =
      node.transpose(node.value(0), movingPermutation(rank, *axis, rank - 1));
  return node.yield(
      node.transpose(build(turned), movingPermutation(rank, rank - 1, *axis)));
}

static LogicalResult importSoftmax(Node &node) {
  return alongAxis(node, [&](Value value) -> Value {
    return node.create<train::SoftmaxOp>(value.getType(), value);
  });
}

static LogicalResult importLogSoftmax(Node &node) {
  return alongAxis(node, [&](Value value) -> Value {
    return node.create<train::LogSoftmaxOp>(value.getType(), value);
  });
}

ArrayRef<Operator> reductionOperators() {
  static constexpr Operator table[] = {
      {"ReduceSum", 13, "data:float axes:ints?", importReduceSum<13>,
       foldReduceSum},
      {"ReduceProd", 13, "data:any axes:ints?", nullptr, foldReduceProd},
      {"ReduceMean", 13, "data:float axes:ints?", importReduceMean},
      {"ReduceSumSquare", 13, "data:float axes:ints?", importReduceSumSquare},
      {"ReduceL1", 13, "data:float axes:ints?", importReduceL1},
      {"ReduceL2", 13, "data:float axes:ints?", importReduceL2},
      {"Softmax", 13, "input:float", importSoftmax},
      {"LogSoftmax", 13, "input:float", importLogSoftmax},
  };
  return table;
}

} // namespace fp8c
