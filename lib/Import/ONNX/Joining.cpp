//===- Joining.cpp - Operators that join and cut tensors ------------------===//

#include "Import/ONNX/Operators.h"
#include "Import/ONNX/Shapes.h"
#include "Train/IR/Train.h"

using namespace mlir;

namespace fp8c {

//===----------------------------------------------------------------------===//
// Concat
//===----------------------------------------------------------------------===//

static Constant concatConstants(Node &node, ArrayRef<int64_t> shape,
                                int64_t axis) {
  // Row by row of the dimensions before the axis, each input's piece.
  int64_t rows = product(shape.take_front(axis));
  auto join = [&](auto elementsOf) {
    std::decay_t<decltype(elementsOf(*node.constant(0)).vec())> joined;
    joined.reserve(product(shape));
    for (int64_t row = 0; row < rows; ++row)
      for (unsigned i = 0; i < node.numInputs(); ++i) {
        int64_t piece = product(node.shape(i).drop_front(axis));
        llvm::append_range(
            joined, elementsOf(*node.constant(i)).slice(row * piece, piece));
      }
    return Constant(node.type(0).clone(shape), std::move(joined));
  };
  if (node.constant(0)->isFloat())
    return join([](const Constant &c) { return c.floats(); });
  return join([](const Constant &c) { return c.integers(); });
}

static LogicalResult importConcat(Node &node) {
  std::optional<int64_t> given = node.integer("axis");
  if (!given)
    return node.invalid("lacks its attribute 'axis'");
  std::optional<int64_t> axis = node.axis(*given, node.rank(0));
  if (!axis)
    return failure();
  Shape shape(node.shape(0));
  for (unsigned i = 1; i < node.numInputs(); ++i) {
    Shape part(node.shape(i)), expected(shape);
    bool fits = part.size() == shape.size();
    if (fits)
      expected[*axis] = part[*axis];
    if (!fits || part != expected ||
        node.type(i).getElementType() != node.type(0).getElementType())
      return node.invalid("cannot join " + toString(node.shape(0)) + " and " +
                          toString(part) + " along axis " + Twine(*axis));
    shape[*axis] += part[*axis];
  }
  if (failed(checkSize(node, shape)))
    return failure();
  if (node.isConstant())
    return node.yield(concatConstants(node, shape, *axis));
  SmallVector<Value> parts;
  for (unsigned i = 0; i < node.numInputs(); ++i)
    if (product(node.shape(i)) > 0)
      parts.push_back(node.value(i));
  if (parts.size() == 1)
    return node.yield(parts.front());
  return node.yield(
      node.create<train::ConcatOp>(node.type(0).clone(shape), parts, *axis));
}

//===----------------------------------------------------------------------===//
// Split
//===----------------------------------------------------------------------===//

/// Whether sizes, none of them negative, have this sum.
static bool addUpTo(ArrayRef<int64_t> sizes, int64_t whole) {
  uint64_t sum = 0;
  for (int64_t size : sizes) {
    if (size < 0)
      return false;
    sum = llvm::SaturatingAdd<uint64_t>(sum, size);
  }
  return sum == uint64_t(whole);
}

/// Sizes of Split's parts: given, or equal with a smaller last one.
static std::optional<Shape> splitSizes(Node &node, int64_t whole) {
  int64_t count = node.numOutputs();
  if (std::optional<Shape> sizes = node.integerList("split", 1, 13)) {
    if (addUpTo(*sizes, whole) && int64_t(sizes->size()) == count)
      return sizes;
    (void)node.invalid("cuts " + Twine(whole) + " into " + toString(*sizes) +
                       " for " + Twine(count) + " outputs");
    return std::nullopt;
  }
  // PyTorch writes the attribute into older opsets, too.
  int64_t parts = node.integer("num_outputs", count);
  int64_t size = parts > 0 ? llvm::divideCeil(uint64_t(whole), parts) : 0;
  bool isEven = size * parts == whole;
  if (parts != count || size * (parts - 1) >= whole ||
      (!isEven && node.opset < 18)) {
    (void)node.invalid("cannot cut " + Twine(whole) + " into " + Twine(parts) +
                       " parts for " + Twine(count) + " outputs");
    return std::nullopt;
  }
  Shape sizes(parts, size);
  sizes.back() = whole - size * (parts - 1);
  return sizes;
}

/// Consecutive parts of input 0.
static std::vector<Datum> cut(Node &node, ArrayRef<int64_t> sizes,
                              int64_t axis) {
  Shape shape(node.shape(0));
  std::vector<Datum> parts;
  if (const Constant *constant = node.constant(0)) {
    Shape strides = rowMajorStrides(shape);
    int64_t offset = 0;
    for (int64_t size : sizes) {
      shape[axis] = size;
      auto part =
          std::make_shared<Constant>(constant->view(shape, offset, strides));
      parts.push_back({part->type(), Value(), part});
      offset += size * strides[axis];
    }
    return parts;
  }
  SmallVector<Type> types;
  for (int64_t size : sizes) {
    shape[axis] = size;
    types.push_back(node.type(0).clone(shape));
  }
  auto split = node.create<train::SplitOp>(types, node.value(0), axis);
  for (Value part : split.getParts())
    parts.push_back({cast<RankedTensorType>(part.getType()), part});
  return parts;
}

static LogicalResult importSplit(Node &node) {
  std::optional<int64_t> axis =
      node.axis(node.integer("axis", 0), node.rank(0));
  if (!axis)
    return failure();
  std::optional<Shape> sizes = splitSizes(node, node.shape(0)[*axis]);
  if (!sizes)
    return failure();
  for (auto [i, part] : llvm::enumerate(cut(node, *sizes, *axis)))
    (void)node.yieldDatum(part, i);
  return success();
}

//===----------------------------------------------------------------------===//
// Sequences
//===----------------------------------------------------------------------===//

/// A split of sizes, or of one size with a smaller last part; without one each
/// part has size 1, and `keepdims` may drop the dimension.
static LogicalResult importSplitToSequence(Node &node) {
  bool keepDims = node.integer("keepdims", 1) != 0;
  std::optional<int64_t> axis =
      node.axis(node.integer("axis", 0), node.rank(0));
  if (!axis)
    return failure();
  int64_t whole = node.shape(0)[*axis];
  Shape sizes;
  if (node.has(1) && node.rank(1) != 0) {
    sizes = Shape(node.integers(1));
    if (!addUpTo(sizes, whole))
      return node.invalid("cuts " + Twine(whole) + " into " + toString(sizes));
  } else {
    constexpr int64_t mostParts = 1 << 16;
    const int64_t size = node.has(1) ? node.integers(1)[0] : 1;
    if (size < 1)
      return node.invalid("cuts into parts of " + Twine(size));
    const int64_t parts = llvm::divideCeil(uint64_t(whole), size);
    if (parts > mostParts)
      return node.unsupported("makes " + Twine(parts) + " parts, more than " +
                              Twine(mostParts));
    for (int64_t rest = whole; rest > 0; rest -= size)
      sizes.push_back(std::min(rest, size));
  }
  if (llvm::is_contained(sizes, 0) && !node.constant(0))
    return node.unsupported("makes a part without elements");
  std::vector<Datum> parts = cut(node, sizes, *axis);
  if (!node.has(1) && !keepDims)
    for (Datum &part : parts) {
      Shape shape(part.type.getShape());
      shape.erase(shape.begin() + *axis);
      part.type = part.type.clone(shape);
      if (part.constant)
        part.constant =
            std::make_shared<Constant>(part.constant->reshape(shape));
      else
        part.value = node.reshape(part.value, shape);
    }
  return node.yieldSequence(std::move(parts));
}

static LogicalResult importSequenceConstruct(Node &node) {
  std::vector<Datum> tensors;
  for (unsigned i = 0; i < node.numInputs(); ++i) {
    if (node.constant(i))
      tensors.push_back(node.datum(i));
    else
      tensors.push_back({node.type(i), node.value(i)});
  }
  return node.yieldSequence(std::move(tensors));
}

static LogicalResult importSequenceAt(Node &node) {
  ArrayRef<Datum> tensors = node.sequence(0);
  if (node.integers(1).size() != 1)
    return node.invalid("needs one position");
  int64_t size = tensors.size(), at = node.integers(1)[0];
  if (at < -size || at >= size)
    return node.invalid("has a position " + Twine(at) + " in a sequence of " +
                        Twine(size));
  return node.yieldDatum(tensors[at < 0 ? at + size : at]);
}

static LogicalResult importSequenceLength(Node &node) {
  auto type = RankedTensorType::get({}, node.builder.getI64Type());
  return node.yield(
      Constant(type, std::vector<int64_t>{int64_t(node.sequence(0).size())}));
}

ArrayRef<Operator> joiningOperators() {
  static constexpr Operator table[] = {
      {"Concat", 4, "inputs:any*", importConcat},
      {"Split", 2, "input:any", importSplit},
      {"Split", 13, "input:any split:ints?", importSplit},
      {"SplitToSequence", 11, "input:any split:ints?", importSplitToSequence},
      {"SequenceConstruct", 11, "inputs:any*", importSequenceConstruct},
      {"SequenceAt", 11, "input_sequence:sequence position:ints",
       importSequenceAt},
      {"SequenceLength", 11, "input_sequence:sequence", importSequenceLength},
  };
  return table;
}

} // namespace fp8c
