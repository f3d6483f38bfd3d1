//===- ConstantTensors.cpp - Ranges, triangles, sorted elements -----------===//
//
// Operators that positions and masks are made with.
//
//===----------------------------------------------------------------------===//

#include "Import/ONNX/ConstantMath.h"
#include "Import/ONNX/Indexing.h"
#include "Import/ONNX/Operators.h"
#include "Import/ONNX/TensorData.h"
#include "Train/IR/Train.h"

#include <numeric>

using namespace mlir;

namespace fp8c {

/// The only element of an input of integers.
static std::optional<int64_t> singleInteger(Node &node, unsigned i) {
  if (node.integers(i).size() == 1)
    return node.integers(i)[0];
  (void)node.invalid("needs a single integer '" + node.proto.input(i) + "'");
  return std::nullopt;
}

/// A scalar 0 of the type.
static Value zeroOf(Node &node, Type element) {
  Constant zero(RankedTensorType::get({}, node.builder.getI64Type()),
                std::vector<int64_t>{0});
  return node.materialize(castConstant(zero, element));
}

static LogicalResult foldRange(Node &node) {
  node.ignore({"stash_type"});
  for (unsigned i = 0; i < 3; ++i)
    if (node.constant(i)->size() != 1 ||
        node.type(i).getElementType() != node.type(0).getElementType())
      return node.invalid("needs three scalars of one type");
  double start = node.constant(0)->number(0);
  double limit = node.constant(1)->number(0);
  double delta = node.constant(2)->number(0);
  if (delta == 0)
    return node.invalid("has a step of 0");
  double count = std::max(std::ceil((limit - start) / delta), 0.0);
  if (!(count <= double(Constant::maxElements)))
    return node.unsupported("its result is too large");
  auto fill = [&](auto elementAt) {
    std::vector<decltype(elementAt(0))> elements;
    for (int64_t i = 0; i < int64_t(count); ++i)
      elements.push_back(elementAt(i));
    auto type = RankedTensorType::get(int64_t(elements.size()),
                                      node.type(0).getElementType());
    return node.yield(Constant(type, std::move(elements)));
  };
  if (node.constant(0)->isFloat())
    return fill(
        [&](int64_t i) { return float(float(start) + i * float(delta)); });
  return fill([&](int64_t i) {
    return addWrapping(node.integers(0)[0],
                       mulWrapping(i, node.integers(2)[0]));
  });
}

//===----------------------------------------------------------------------===//
// Triangles
//===----------------------------------------------------------------------===//

/// Whether an element of a matrix stays, for the diagonal it lies on.
namespace {
struct Triangle {
  bool isUpper;
  int64_t diagonal;
  bool keeps(int64_t row, int64_t column) const {
    return isUpper ? column - row >= diagonal : column - row <= diagonal;
  }
};
} // namespace

static std::optional<Triangle> readTriangle(Node &node) {
  Triangle triangle{node.integer("upper", 1) != 0, 0};
  if (node.rank(0) < 2) {
    (void)node.invalid("needs matrices");
    return std::nullopt;
  }
  if (node.has(1)) {
    std::optional<int64_t> diagonal = singleInteger(node, 1);
    if (!diagonal)
      return std::nullopt;
    ArrayRef<int64_t> sizes = node.shape(0).take_back(2);
    triangle.diagonal = std::clamp(*diagonal, -sizes[0], sizes[1]);
  }
  return triangle;
}

/// Keeps one triangle of matrices and clears the other.
static LogicalResult foldTrilu(Node &node) {
  std::optional<Triangle> triangle = readTriangle(node);
  if (!triangle)
    return failure();
  const Constant &input = *node.constant(0);
  int64_t rows = input.shape()[node.rank(0) - 2];
  int64_t columns = input.shape().back();
  auto clear = [&](auto elements) {
    auto kept = elements.vec();
    for (size_t i = 0; i < kept.size(); ++i)
      if (!triangle->keeps(i / columns % rows, i % columns))
        kept[i] = 0;
    return Constant(input.type(), std::move(kept));
  };
  return node.yield(input.isFloat() ? clear(input.floats())
                                    : clear(input.integers()));
}

/// By a choice: a product with 0 would not clear what is not finite.
static LogicalResult importTrilu(Node &node) {
  std::optional<Triangle> triangle = readTriangle(node);
  if (!triangle)
    return failure();
  Shape sizes(node.shape(0).take_back(2));
  if (failed(checkSize(node, node.shape(0))))
    return failure();
  std::vector<int64_t> mask;
  for (int64_t row = 0; row < sizes[0]; ++row)
    for (int64_t column = 0; column < sizes[1]; ++column)
      mask.push_back(triangle->keeps(row, column));
  auto type = RankedTensorType::get(sizes, node.builder.getI1Type());
  Value kept = node.materialize(Constant(type, std::move(mask)));
  Value cleared = zeroOf(node, node.type(0).getElementType());
  return node.yield(node.create<train::SelectOp>(kept, node.value(0), cleared));
}

//===----------------------------------------------------------------------===//
// Running sums
//===----------------------------------------------------------------------===//

namespace {
struct RunningSum {
  int64_t axis;
  bool isExclusive, isReversed;
};
} // namespace

static std::optional<RunningSum> readRunningSum(Node &node) {
  RunningSum sum{0, node.integer("exclusive", 0) != 0,
                 node.integer("reverse", 0) != 0};
  std::optional<int64_t> given = singleInteger(node, 1);
  std::optional<int64_t> axis =
      given ? node.axis(*given, node.rank(0)) : std::nullopt;
  if (!axis)
    return std::nullopt;
  sum.axis = *axis;
  return sum;
}

static LogicalResult foldCumSum(Node &node) {
  const Constant &data = *node.constant(0);
  std::optional<RunningSum> running = readRunningSum(node);
  if (!running)
    return failure();
  int64_t size = node.shape(0)[running->axis];
  int64_t inner = product(node.shape(0).drop_front(running->axis + 1));
  auto add = [&](auto elements, auto plus) {
    auto result = elements.vec();
    for (int64_t i = 0; i < data.size(); ++i) {
      int64_t at = i / inner % size;
      // The element before in the order of the sum.
      int64_t place = running->isReversed ? size - 1 - at : at;
      int64_t base = i - at * inner;
      int64_t here = base + place * inner;
      int64_t before = here + (running->isReversed ? inner : -inner);
      auto term =
          running->isExclusive ? (at ? elements[before] : 0) : elements[here];
      result[here] = at ? plus(result[before], term) : term;
    }
    return Constant(data.type(), std::move(result));
  };
  // Positions along the axis are visited in ascending order for each line.
  if (data.isFloat())
    return node.yield(add(data.floats(), std::plus<float>()));
  Type element = data.type().getElementType();
  return node.yield(add(data.integers(), [&](int64_t a, int64_t b) {
    return wrapInteger(addWrapping(a, b), element);
  }));
}

/// Sums of the last dimension: of floats a product with a triangle of ones, of
/// integers sums of what the triangle leaves.
static Value sumUp(Node &node, Value value, const RunningSum &running) {
  int64_t rank = shapeOf(value).size(), size = shapeOf(value).back();
  std::vector<int64_t> terms; // [to, from]
  for (int64_t to = 0; to < size; ++to)
    for (int64_t from = 0; from < size; ++from)
      terms.push_back(running.isReversed ? from >= to + running.isExclusive
                                         : from + running.isExclusive <= to);
  auto type = RankedTensorType::get({size, size}, node.builder.getI1Type());
  Constant triangle(type, std::move(terms));
  Type element = cast<RankedTensorType>(value.getType()).getElementType();
  if (element.isF32()) {
    Value ones = node.materialize(castConstant(triangle, element));
    return node.create<train::MatmulOp>(value, ones, Shape{rank - 1}, Shape{1});
  }
  Shape rows(shapeOf(value));
  rows.insert(rows.end() - 1, 1);
  Value isTerm = node.materialize(triangle);
  Value zero = zeroOf(node, element);
  Value kept =
      node.create<train::SelectOp>(isTerm, node.reshape(value, rows), zero);
  return node.create<train::ReduceSumOp>(kept, Shape{rank});
}

static LogicalResult importCumSum(Node &node) {
  std::optional<RunningSum> running = readRunningSum(node);
  if (!running)
    return failure();
  int64_t rank = node.rank(0), size = node.shape(0)[running->axis];
  if (size > (int64_t(1) << 12))
    return node.unsupported("sums up " + Twine(size) + " elements");
  Value turned = node.transpose(
      node.value(0), movingPermutation(rank, running->axis, rank - 1));
  return node.yield(
      node.transpose(sumUp(node, turned, *running),
                     movingPermutation(rank, rank - 1, running->axis)));
}

//===----------------------------------------------------------------------===//
// Searching
//===----------------------------------------------------------------------===//

/// The indices of all elements that are not 0, a row for each dimension.
static LogicalResult foldNonZero(Node &node) {
  const Constant &data = *node.constant(0);
  std::vector<int64_t> found;
  for (int64_t i = 0; i < data.size(); ++i)
    if (data.number(i) != 0)
      found.push_back(i);
  Shape strides = rowMajorStrides(data.shape());
  std::vector<int64_t> indices;
  for (auto [dim, stride] : llvm::zip_equal(data.shape(), strides))
    for (int64_t i : found)
      indices.push_back(i / stride % dim);
  auto type = RankedTensorType::get({node.rank(0), int64_t(found.size())},
                                    node.builder.getI64Type());
  return node.yield(Constant(type, std::move(indices)));
}

/// The k largest or smallest along an axis, sorted; of equal ones the first.
static LogicalResult foldTopK(Node &node) {
  node.ignore({"sorted"}); // If not, any order will do.
  const Constant &data = *node.constant(0);
  std::optional<int64_t> axis =
      node.axis(node.integer("axis", -1), node.rank(0));
  std::optional<int64_t> k =
      node.opset < 10 ? node.integer("k") : singleInteger(node, 1);
  bool isLargest = node.opset < 11 || node.integer("largest", 1) != 0;
  if (!axis || !k)
    return axis ? node.invalid("lacks its number k") : failure();
  int64_t size = node.shape(0)[*axis];
  if (*k < 0 || *k > size)
    return node.invalid("takes " + Twine(*k) + " of " + Twine(size) +
                        " elements");
  Shape shape(node.shape(0));
  shape[*axis] = *k;
  int64_t inner = product(node.shape(0).drop_front(*axis + 1));
  int64_t outer = product(node.shape(0).take_front(*axis));
  std::vector<int64_t> chosen(product(shape)), from(product(shape));
  std::vector<int64_t> order(size);
  auto sortLine = [&](auto elements, int64_t base) {
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
      auto x = elements[base + a * inner], y = elements[base + b * inner];
      // A NaN counts as larger than any number.
      bool isNaNx = x != x, isNaNy = y != y;
      if (isNaNx || isNaNy)
        return isLargest ? isNaNx && !isNaNy : !isNaNx && isNaNy;
      return isLargest ? x > y : x < y;
    });
  };
  for (int64_t line = 0; line < outer * inner; ++line) {
    int64_t base = line / inner * size * inner + line % inner;
    int64_t to = line / inner * *k * inner + line % inner;
    if (data.isFloat())
      sortLine(data.floats(), base);
    else
      sortLine(data.integers(), base);
    for (int64_t i = 0; i < *k; ++i) {
      chosen[to + i * inner] = order[i];
      from[to + i * inner] = base + order[i] * inner;
    }
  }
  auto type = RankedTensorType::get(shape, node.builder.getI64Type());
  (void)node.yield(Constant(type, std::move(chosen)), 1);
  return node.yield(data.take(shape, from));
}

//===----------------------------------------------------------------------===//
// Ones at places
//===----------------------------------------------------------------------===//

static LogicalResult importEyeLike(Node &node) {
  int64_t diagonal = node.integer("k", 0);
  Type element = node.type(0).getElementType();
  if (std::optional<int64_t> dataType = node.integer("dtype")) {
    element = importElementType(int32_t(*dataType), node.builder.getContext());
    if (!element)
      return node.unsupported("makes " + onnxTypeName(int32_t(*dataType)));
  }
  if (node.rank(0) != 2)
    return node.invalid("needs a matrix");
  ArrayRef<int64_t> sizes = node.shape(0);
  if (product(sizes) > Constant::maxElements)
    return node.unsupported("its result is too large: " + toString(sizes));
  std::vector<int64_t> ones(product(sizes), 0);
  for (int64_t row = 0; row < sizes[0]; ++row)
    if (diagonal > -sizes[0] && diagonal < sizes[1] && row + diagonal >= 0 &&
        row + diagonal < sizes[1])
      ones[row * sizes[1] + row + diagonal] = 1;
  auto type = RankedTensorType::get(sizes, node.builder.getI64Type());
  return node.yield(castConstant(Constant(type, std::move(ones)), element));
}

/// indices S, depth D and values [off, on] give S with D before its dimension
/// `axis`.
static LogicalResult foldOneHot(Node &node) {
  const Constant &values = *node.constant(2);
  if (node.constant(1)->size() != 1 || values.size() != 2)
    return node.invalid("needs a depth and two values");
  double given = node.constant(1)->number(0);
  if (!(given >= 1 && given <= double(Constant::maxElements)))
    return node.invalid("has an impossible depth");
  int64_t depth = int64_t(given);
  std::optional<int64_t> axis =
      node.axis(node.integer("axis", -1), node.rank(0) + 1);
  if (!axis)
    return failure();
  Shape shape(node.shape(0));
  shape.insert(shape.begin() + *axis, depth);
  if (failed(checkSize(node, shape)))
    return failure();
  int64_t inner = product(node.shape(0).drop_front(*axis));
  std::vector<int64_t> isOn(product(shape), 0);
  for (int64_t i = 0; i < node.constant(0)->size(); ++i) {
    double index = node.constant(0)->number(i);
    index += index < 0 ? depth : 0;
    if (index >= 0 && index < depth)
      isOn[(i / inner * depth + int64_t(index)) * inner + i % inner] = 1;
  }
  return node.yield(values.take(shape, isOn));
}

ArrayRef<Operator> constantOperators() {
  static constexpr Operator table[] = {
      {"Range", 11, "start:any limit:any delta:any", nullptr, foldRange},
      {"Trilu", 14, "input:element k:ints?", importTrilu, foldTrilu},
      {"CumSum", 11, "x:number axis:ints", importCumSum, foldCumSum},
      {"NonZero", 9, "X:any", nullptr, foldNonZero},
      {"TopK", 1, "X:any", nullptr, foldTopK},
      {"TopK", 10, "X:any K:ints", nullptr, foldTopK},
      {"EyeLike", 9, "input:any", importEyeLike},
      {"OneHot", 9, "indices:any depth:any values:any", nullptr, foldOneHot},
  };
  return table;
}

} // namespace fp8c
