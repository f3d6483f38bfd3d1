//===- Reductions.cpp - Sums, means, extremes -----------------------------===//

#include "Import/ONNX/Operators.h"
#include "Import/ONNX/Shapes.h"
#include "Train/IR/Train.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"

#include <cmath>

using namespace mlir;

namespace fp8c {

namespace {
/// What a node reduces: ascending axes, none meaning that it does nothing.
struct Reduction {
  Shape axes, shape; // of the result
  int64_t count = 1; // elements that become one
  bool keepDims = true;
};
} // namespace

static Shape turnReducedLast(ArrayRef<int64_t> axes, int64_t rank) {
  Shape permutation;
  for (int64_t i = 0; i < rank; ++i)
    if (!llvm::is_contained(axes, i))
      permutation.push_back(i);
  llvm::append_range(permutation, axes);
  return permutation;
}

/// Axes are an attribute in old versions and an input in later ones.
static std::optional<Reduction> readReduction(Node &node, int inputSince = 18) {
  Reduction reduction;
  reduction.keepDims = node.integer("keepdims", 1) != 0;
  bool hasNoOp =
      node.opset >= inputSince && node.integer("noop_with_empty_axes", 0) != 0;
  Shape given = node.integerList("axes", 1, inputSince).value_or(Shape());
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

//===----------------------------------------------------------------------===//
// At run time
//===----------------------------------------------------------------------===//

static Value sum(Node &node, const Reduction &reduction, Value value) {
  if (reduction.axes.empty())
    return value;
  return node.create<train::ReduceSumOp>(value, reduction.axes,
                                         reduction.keepDims);
}

static Value maximum(Node &node, const Reduction &reduction, Value value) {
  if (reduction.axes.empty())
    return value;
  return node.create<train::ReduceMaxOp>(value, reduction.axes,
                                         reduction.keepDims);
}

static Value minimum(Node &node, const Reduction &reduction, Value value) {
  Value negative = node.create<train::NegOp>(value);
  return node.create<train::NegOp>(maximum(node, reduction, negative));
}

static Value mean(Node &node, const Reduction &reduction, Value value) {
  Value total = sum(node, reduction, value);
  if (reduction.count == 1)
    return total;
  return node.create<train::DivOp>(total, node.scalar(float(reduction.count)));
}

static Value sumSquare(Node &node, const Reduction &reduction, Value value) {
  return sum(node, reduction, node.create<train::MulOp>(value, value));
}

static Value normL1(Node &node, const Reduction &reduction, Value value) {
  return sum(node, reduction, node.create<train::AbsOp>(value));
}

static Value normL2(Node &node, const Reduction &reduction, Value value) {
  return node.create<train::SqrtOp>(sumSquare(node, reduction, value));
}

static Value logSum(Node &node, const Reduction &reduction, Value value) {
  return node.create<train::LogOp>(sum(node, reduction, value));
}

/// max + log(sum(exp(x - max))), so that nothing overflows.
static Value logSumExp(Node &node, const Reduction &reduction, Value value) {
  if (reduction.axes.empty())
    return value;
  Value peak =
      node.create<train::ReduceMaxOp>(value, reduction.axes, /*keepdims=*/true);
  Value shifted = node.create<train::SubOp>(value, peak);
  Value total = sum(node, reduction, node.create<train::ExpOp>(shifted));
  Value rest = node.create<train::LogOp>(total);
  return node.create<train::AddOp>(node.reshape(peak, reduction.shape), rest);
}

/// One factor after the other.
static Value multiply(Node &node, const Reduction &reduction, Value value) {
  Shape permutation = turnReducedLast(reduction.axes, node.rank(0));
  Shape kept(applyPermutation(node.shape(0), permutation));
  int64_t outer = product(kept) / reduction.count;
  Value rows = node.reshape(node.transpose(value, permutation),
                            {outer, reduction.count});
  auto type = node.type(0).clone({outer, 1});
  Value result;
  for (int64_t i = 0; i < reduction.count; ++i) {
    Value factor =
        node.create<train::SliceOp>(type, rows, Shape{0, i}, Shape{1, 1});
    result = result ? node.create<train::MulOp>(result, factor) : factor;
  }
  return node.reshape(result, reduction.shape);
}

template <Value (*reduce)(Node &, const Reduction &, Value),
          int inputSince = 18>
static LogicalResult importReduction(Node &node) {
  std::optional<Reduction> reduction = readReduction(node, inputSince);
  if (!reduction)
    return failure();
  return node.yield(reduce(node, *reduction, node.value(0)));
}

static LogicalResult importReduceProd(Node &node) {
  constexpr int64_t maxFactors = 64; // Each is an op.
  std::optional<Reduction> reduction = readReduction(node);
  if (!reduction)
    return failure();
  if (reduction->count > maxFactors)
    return node.unsupported("multiplies " + Twine(reduction->count) +
                            " values known at run time, more than " +
                            Twine(maxFactors));
  return node.yield(multiply(node, *reduction, node.value(0)));
}

//===----------------------------------------------------------------------===//
// Known elements
//===----------------------------------------------------------------------===//

/// Applies `function(sum so far, element)` to floats in double, or to integers,
/// beginning with `init`, and then `finish` to the result of floats.
template <int inputSince = 18, typename Function, typename Finish>
static LogicalResult foldReduction(Node &node, double initFloat,
                                   int64_t initInteger, Function function,
                                   Finish finish) {
  const Constant &data = *node.constant(0);
  std::optional<Reduction> reduction = readReduction(node, inputSince);
  if (!reduction)
    return failure();
  // With what is reduced last, each run of elements becomes one.
  Shape permutation = turnReducedLast(reduction->axes, node.rank(0));
  Constant turned =
      data.view(applyPermutation(data.shape(), permutation), 0,
                applyPermutation(rowMajorStrides(data.shape()), permutation));
  auto type = data.type().clone(reduction->shape);
  auto reduce = [&](auto elements, auto init) {
    std::vector<decltype(init)> results(type.getNumElements(), init);
    for (size_t i = 0; i < elements.size(); ++i) {
      auto &result = results[i / reduction->count];
      result = function(result, decltype(init)(elements[i]));
    }
    return results;
  };
  if (!data.isFloat())
    return node.yield(Constant(type, reduce(turned.integers(), initInteger)));
  std::vector<float> floats;
  for (double result : reduce(turned.floats(), initFloat))
    floats.push_back(float(finish(result, double(reduction->count))));
  return node.yield(Constant(type, std::move(floats)));
}

static double keep(double result, double) { return result; }

/// Integers wrap around.
template <typename T> static T plus(T a, T b) {
  if constexpr (std::is_integral_v<T>)
    return T(uint64_t(a) + uint64_t(b));
  else
    return a + b;
}
template <typename T> static T times(T a, T b) {
  if constexpr (std::is_integral_v<T>)
    return T(uint64_t(a) * uint64_t(b));
  else
    return a * b;
}

static LogicalResult foldReduceSum(Node &node) {
  return foldReduction<13>(
      node, 0, 0, [](auto a, auto b) { return plus(a, b); }, keep);
}
static LogicalResult foldReduceProd(Node &node) {
  return foldReduction(
      node, 1, 1, [](auto a, auto b) { return times(a, b); }, keep);
}
/// The least and the largest integer of the input's type: what a maximum and a
/// minimum of nothing are.
static std::pair<int64_t, int64_t> rangeOf(Node &node) {
  Type element = node.type(0).getElementType();
  if (element.isF32())
    return {0, 0};
  unsigned width = element.getIntOrFloatBitWidth();
  if (element.isUnsignedInteger() || width == 1)
    return {0, int64_t(APInt::getMaxValue(width).getZExtValue())};
  return {APInt::getSignedMinValue(width).getSExtValue(),
          APInt::getSignedMaxValue(width).getSExtValue()};
}
static LogicalResult foldReduceMax(Node &node) {
  return foldReduction(
      node, -HUGE_VAL, rangeOf(node).first,
      [](auto a, auto b) { return a > b ? a : b; }, keep);
}
static LogicalResult foldReduceMin(Node &node) {
  return foldReduction(
      node, HUGE_VAL, rangeOf(node).second,
      [](auto a, auto b) { return a < b ? a : b; }, keep);
}
static LogicalResult foldReduceMean(Node &node) {
  if (!node.constant(0)->isFloat())
    return node.unsupported("takes the mean of integers");
  return foldReduction(
      node, 0, 0, [](auto a, auto b) { return plus(a, b); },
      [](double sum, double count) { return sum / count; });
}

ArrayRef<Operator> reductionOperators() {
#define FP8C_REDUCTION(name, kind, reduce, fold)                               \
  {name, 1, "data:" kind, importReduction<reduce>, fold}, {                    \
    name, 18, "data:" kind " axes:ints?", importReduction<reduce>, fold        \
  }
  static constexpr Operator table[] = {
      {"ReduceSum", 1, "data:number", importReduction<sum, 13>, foldReduceSum},
      {"ReduceSum", 13, "data:number axes:ints?", importReduction<sum, 13>,
       foldReduceSum},
      {"ReduceProd", 1, "data:number", importReduceProd, foldReduceProd},
      {"ReduceProd", 18, "data:number axes:ints?", importReduceProd,
       foldReduceProd},
      FP8C_REDUCTION("ReduceMean", "float", mean, foldReduceMean),
      FP8C_REDUCTION("ReduceMax", "number", maximum, foldReduceMax),
      FP8C_REDUCTION("ReduceMin", "number", minimum, foldReduceMin),
      FP8C_REDUCTION("ReduceSumSquare", "float", sumSquare, nullptr),
      FP8C_REDUCTION("ReduceL1", "float", normL1, nullptr),
      FP8C_REDUCTION("ReduceL2", "float", normL2, nullptr),
      FP8C_REDUCTION("ReduceLogSum", "float", logSum, nullptr),
      FP8C_REDUCTION("ReduceLogSumExp", "float", logSumExp, nullptr),
  };
#undef FP8C_REDUCTION
  return table;
}

} // namespace fp8c
