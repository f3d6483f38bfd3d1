//===- Shapes.cpp - Operators that rearrange elements ---------------------===//

#include "Import/ONNX/Shapes.h"

#include "Import/ONNX/Operators.h"
#include "Train/IR/Train.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"
#include <numeric>

using namespace mlir;

namespace fp8c {

std::optional<Shape> broadcastShapes(ArrayRef<int64_t> a, ArrayRef<int64_t> b) {
  if (a.size() < b.size())
    std::swap(a, b);
  Shape shape(a);
  size_t missing = a.size() - b.size();
  for (size_t i = 0; i < b.size(); ++i) {
    int64_t &dim = shape[missing + i];
    if (dim != b[i] && dim != 1 && b[i] != 1)
      return std::nullopt;
    dim = dim == 1 ? b[i] : dim;
  }
  return shape;
}

int64_t product(ArrayRef<int64_t> shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t(1),
                         std::multiplies<>());
}

Shape identityPermutation(int64_t rank) {
  Shape permutation(rank);
  std::iota(permutation.begin(), permutation.end(), 0);
  return permutation;
}

Shape movingPermutation(int64_t rank, int64_t from, int64_t to) {
  Shape permutation = identityPermutation(rank);
  permutation.erase(permutation.begin() + from);
  permutation.insert(permutation.begin() + to, from);
  return permutation;
}

/// Gives input 0 in another shape.
static LogicalResult yieldReshaped(Node &node, ArrayRef<int64_t> shape) {
  if (countElements(shape) != countElements(node.shape(0)))
    return node.invalid("cannot give " + toString(node.shape(0)) +
                        " the shape " + toString(shape));
  if (const Constant *constant = node.constant(0))
    return node.yield(constant->reshape(shape));
  return node.yield(node.reshape(node.value(0), shape));
}

static LogicalResult importReshape(Node &node) {
  Shape shape(node.integers(1));
  bool allowZero = node.opset >= 14 && node.integer("allowzero", 0) != 0;
  int64_t inferred = -1, rest = 1;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0 && !allowZero) {
      if (int64_t(i) >= node.rank(0))
        return node.invalid("keeps a dimension " + Twine(i) + " that " +
                            toString(node.shape(0)) + " does not have");
      shape[i] = node.shape(0)[i];
    }
    if (shape[i] == -1 && inferred < 0)
      inferred = i;
    else if (shape[i] < 0)
      return node.invalid("has an impossible shape " + toString(shape));
    else
      rest = llvm::SaturatingMultiply<uint64_t>(rest, shape[i]);
  }
  if (inferred >= 0)
    shape[inferred] = rest > 0 ? product(node.shape(0)) / rest : 0;
  return yieldReshaped(node, shape);
}

static LogicalResult importFlatten(Node &node) {
  int64_t axis = node.integer("axis", 1), rank = node.rank(0);
  if (axis < -rank || axis > rank)
    return node.invalid("has an axis " + Twine(axis) +
                        ", but its input has rank " + Twine(rank));
  axis = axis < 0 ? axis + rank : axis;
  ArrayRef<int64_t> shape = node.shape(0);
  return yieldReshaped(
      node, {product(shape.take_front(axis)), product(shape.drop_front(axis))});
}

std::optional<Shape> sortedAxes(Node &node, ArrayRef<int64_t> axes,
                                int64_t rank) {
  constexpr int64_t maxRank = 64;
  if (rank > maxRank) {
    (void)node.unsupported("has a tensor of rank " + Twine(rank));
    return std::nullopt;
  }
  Shape sorted;
  for (int64_t value : axes) {
    std::optional<int64_t> axis = node.axis(value, rank);
    if (!axis)
      return std::nullopt;
    if (llvm::is_contained(sorted, *axis)) {
      (void)node.invalid("names axis " + Twine(*axis) + " twice");
      return std::nullopt;
    }
    sorted.push_back(*axis);
  }
  llvm::sort(sorted);
  return sorted;
}

static LogicalResult importSqueeze(Node &node) {
  Shape shape;
  std::optional<Shape> given = node.integerList("axes", 1, 13);
  std::optional<Shape> axes =
      sortedAxes(node, given.value_or(Shape()), node.rank(0));
  if (!axes)
    return failure();
  for (auto [i, dim] : llvm::enumerate(node.shape(0))) {
    bool isNamed = llvm::is_contained(*axes, int64_t(i));
    if (isNamed && dim != 1)
      return node.invalid("squeezes dimension " + Twine(i) + " of " +
                          toString(node.shape(0)));
    if (given ? !isNamed : dim != 1)
      shape.push_back(dim);
  }
  return yieldReshaped(node, shape);
}

static LogicalResult importUnsqueeze(Node &node) {
  std::optional<Shape> given = node.integerList("axes", 1, 13);
  if (!given)
    return node.invalid("lacks its attribute 'axes'");
  int64_t rank = node.rank(0) + given->size();
  std::optional<Shape> axes = sortedAxes(node, *given, rank);
  if (!axes)
    return failure();
  Shape shape(node.shape(0));
  for (int64_t axis : *axes)
    shape.insert(shape.begin() + axis, 1);
  return yieldReshaped(node, shape);
}

static LogicalResult importTranspose(Node &node) {
  Shape reversed = identityPermutation(node.rank(0));
  std::reverse(reversed.begin(), reversed.end());
  Shape permutation = node.integerList("perm").value_or(reversed);
  if (int64_t(permutation.size()) != node.rank(0) ||
      !isPermutationVector(permutation))
    return node.invalid("has a 'perm' " + toString(permutation) +
                        " that is no permutation of its input's " +
                        Twine(node.rank(0)) + " dimensions");
  if (const Constant *constant = node.constant(0))
    return node.yield(constant->view(
        applyPermutation(constant->shape(), permutation), 0,
        applyPermutation(rowMajorStrides(constant->shape()), permutation)));
  return node.yield(node.transpose(node.value(0), permutation));
}

//===----------------------------------------------------------------------===//
// Repetition
//===----------------------------------------------------------------------===//

LogicalResult checkBroadcast(Node &node, ArrayRef<unsigned> inputs) {
  Shape shape;
  for (unsigned i : inputs) {
    std::optional<Shape> wider = broadcastShapes(shape, node.shape(i));
    if (!wider)
      return node.invalid("has operands that do not broadcast: " +
                          toString(shape) + " and " + toString(node.shape(i)));
    if (node.type(i).getElementType() !=
        node.type(inputs.front()).getElementType())
      return node.invalid("has operands of different element types");
    shape = *wider;
  }
  return checkSize(node, shape, Constant::maxComputed);
}

LogicalResult checkSize(Node &node, ArrayRef<int64_t> shape, int64_t limit) {
  std::optional<int64_t> count = countElements(shape);
  if (!count || (node.isConstant() && *count > limit))
    return node.unsupported("its result is too large: " + toString(shape));
  return success();
}

static LogicalResult importExpand(Node &node) {
  std::optional<Shape> shape = broadcastShapes(node.shape(0), node.integers(1));
  if (!shape)
    return node.invalid("cannot expand " + toString(node.shape(0)) + " to " +
                        toString(node.integers(1)));
  if (failed(checkSize(node, *shape)))
    return failure();
  if (const Constant *constant = node.constant(0))
    return node.yield(constant->broadcast(*shape));
  return node.yield(node.broadcast(node.value(0), *shape));
}

/// Repeating a dimension is broadcasting a new one before it.
static LogicalResult importTile(Node &node) {
  ArrayRef<int64_t> repeats = node.integers(1);
  if (int64_t(repeats.size()) != node.rank(0) ||
      llvm::any_of(repeats, [](int64_t n) { return n < 0; }))
    return node.invalid("needs a count per dimension, not " +
                        toString(repeats));
  Shape split, repeated, result;
  for (auto [dim, count] : llvm::zip_equal(node.shape(0), repeats)) {
    split.append({1, dim});
    repeated.append({count, dim});
    result.push_back(llvm::SaturatingMultiply<uint64_t>(count, dim));
  }
  if (failed(checkSize(node, result)))
    return failure();
  if (const Constant *constant = node.constant(0))
    return node.yield(
        constant->reshape(split).broadcast(repeated).reshape(result));
  Value parts = node.reshape(node.value(0), split);
  return node.yield(node.reshape(node.broadcast(parts, repeated), result));
}

//===----------------------------------------------------------------------===//
// Shapes as values
//===----------------------------------------------------------------------===//

static LogicalResult importShape(Node &node) {
  int64_t rank = node.rank(0), start = 0, end = rank;
  if (node.opset >= 15) {
    start = node.integer("start", 0);
    end = node.integer("end", rank);
  }
  auto clamp = [&](int64_t dim) {
    return std::clamp<int64_t>(dim < 0 ? dim + rank : dim, 0, rank);
  };
  start = clamp(start);
  end = std::max(clamp(end), start);
  ArrayRef<int64_t> dims = node.shape(0).slice(start, end - start);
  auto type = RankedTensorType::get(dims.size(), node.builder.getI64Type());
  return node.yield(Constant(type, dims.vec()));
}

static LogicalResult importSize(Node &node) {
  auto type = RankedTensorType::get({}, node.builder.getI64Type());
  return node.yield(
      Constant(type, std::vector<int64_t>{product(node.shape(0))}));
}

ArrayRef<Operator> shapeOperators() {
  static constexpr Operator table[] = {
      {"Reshape", 5, "data:any shape:ints", importReshape},
      {"Flatten", 1, "input:any", importFlatten},
      {"Squeeze", 1, "data:any", importSqueeze},
      {"Squeeze", 13, "data:any axes:ints?", importSqueeze},
      {"Unsqueeze", 1, "data:any", importUnsqueeze},
      {"Unsqueeze", 13, "data:any axes:ints", importUnsqueeze},
      {"Transpose", 1, "data:any", importTranspose},
      {"Expand", 8, "input:any shape:ints", importExpand},
      {"Tile", 6, "input:any repeats:ints", importTile},
      {"Shape", 1, "data:any", importShape},
      {"Size", 1, "data:any", importSize},
  };
  return table;
}

} // namespace fp8c
