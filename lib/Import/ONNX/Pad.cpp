//===- Pad.cpp - Pad, with its modes --------------------------------------===//

#include "Import/ONNX/Indexing.h"
#include "Import/ONNX/Operators.h"
#include "Import/ONNX/TensorData.h"
#include "Train/IR/Train.h"

using namespace mlir;

namespace fp8c {

namespace {
/// Entries that each dimension gets before and after its own; fewer than none
/// are cut off.
struct Padding {
  Shape before, after;
  std::string mode;
};
} // namespace

static std::optional<Padding> readPadding(Node &node) {
  auto bad = [&](const Twine &message) {
    (void)node.invalid(message);
    return std::nullopt;
  };
  int64_t rank = node.rank(0);
  constexpr int64_t inputSince = 11; // attributes before
  Padding padding{Shape(rank, 0), Shape(rank, 0),
                  node.string("mode").value_or("constant")};
  std::optional<Shape> pads = node.integerList("pads", 1, inputSince);
  Shape axes = identityPermutation(rank);
  if (node.has(3))
    axes = Shape(node.integers(3));
  if (!pads || pads->size() != 2 * axes.size())
    return bad("needs two sizes (pads) per axis");
  Shape seen;
  for (size_t i = 0; i < axes.size(); ++i) {
    std::optional<int64_t> axis = node.axis(axes[i], rank);
    if (!axis)
      return std::nullopt;
    if (llvm::is_contained(seen, *axis))
      return bad("names axis " + Twine(*axis) + " twice");
    seen.push_back(*axis);
    padding.before[*axis] = (*pads)[i];
    padding.after[*axis] = (*pads)[axes.size() + i];
  }
  if (!llvm::is_contained({"constant", "reflect", "edge", "wrap"},
                          StringRef(padding.mode)))
    return bad("knows no mode '" + padding.mode + "'");
  return padding;
}

/// The padded shape; none, with an error, where it is no tensor's.
static std::optional<Shape> paddedShape(Node &node, const Padding &padding) {
  constexpr int64_t limit = int64_t(1) << 40;
  Shape shape(node.shape(0));
  for (size_t i = 0; i < shape.size(); ++i) {
    int64_t before = padding.before[i], after = padding.after[i];
    if (std::max(before, after) > limit || std::min(before, after) < -limit ||
        shape[i] + before + after < 0) {
      (void)node.invalid("pads dimension " + Twine(i) + " of " +
                         toString(node.shape(0)) + " by " + Twine(before) +
                         " and " + Twine(after));
      return std::nullopt;
    }
    shape[i] += before + after;
  }
  if (failed(checkSize(node, shape)))
    return std::nullopt;
  return shape;
}

/// For each entry of a padded dimension the one that it repeats, or -1.
static Shape paddedIndices(StringRef mode, int64_t size, int64_t before,
                           int64_t padded) {
  Shape indices(padded);
  for (int64_t i = 0; i < padded; ++i) {
    int64_t at = i - before, inside = std::clamp<int64_t>(at, 0, size - 1);
    if (mode == "reflect" && size > 1) {
      int64_t period = 2 * (size - 1);
      at = ((at % period) + period) % period;
      inside = at < size ? at : period - at;
    } else if (mode == "wrap") {
      inside = ((at % size) + size) % size;
    }
    indices[i] = mode == "constant" && inside != at ? -1 : inside;
  }
  return indices;
}

/// The number around the input: 0 where none is given.
static std::optional<Constant> paddingValue(Node &node) {
  Type element = node.type(0).getElementType();
  auto type = RankedTensorType::get({}, element);
  bool isFloat = element.isF32();
  std::optional<float> old;
  if (node.opset < 11)
    old = node.number("value");
  if (!node.has(2))
    return isFloat ? Constant(type, std::vector<float>{old.value_or(0.0f)})
                   : Constant(type, std::vector<int64_t>{0});
  const Constant *given = node.constant(2);
  if (!given || given->size() != 1 ||
      given->type().getElementType() != element) {
    (void)node.unsupported(given ? "its value is not one of its data's type"
                                 : "its value is only known at run time");
    return std::nullopt;
  }
  return given->reshape({});
}

/// A constant with one more entry of a value at the end of an axis.
static Constant appendAlong(const Constant &data, const Constant &value,
                            int64_t axis) {
  int64_t rows = product(data.shape().take_front(axis));
  int64_t piece = product(data.shape().drop_front(axis));
  int64_t inner = product(data.shape().drop_front(axis + 1));
  Shape shape(data.shape());
  shape[axis] += 1;
  auto append = [&](auto elements, auto filler) {
    decltype(elements.vec()) joined;
    joined.reserve(product(shape));
    for (int64_t row = 0; row < rows; ++row) {
      llvm::append_range(joined, elements.slice(row * piece, piece));
      joined.insert(joined.end(), inner, filler);
    }
    return Constant(data.type().clone(shape), std::move(joined));
  };
  return data.isFloat() ? append(data.floats(), value.floats()[0])
                        : append(data.integers(), value.integers()[0]);
}

static Constant padConstant(const Constant &data, const Constant &value,
                            const Padding &padding, ArrayRef<int64_t> shape) {
  Constant result = data;
  for (int64_t axis = 0; axis < int64_t(shape.size()); ++axis) {
    Shape indices = paddedIndices(padding.mode, data.shape()[axis],
                                  padding.before[axis], shape[axis]);
    // What is out of the tensor is read from one more row at its end.
    Shape wider(result.shape());
    wider[axis] += 1;
    for (int64_t &index : indices)
      index = index < 0 ? wider[axis] - 1 : index;
    result = takeAlong(appendAlong(result, value, axis), axis, indices);
  }
  return result;
}

/// A box of the input with the value around it. Elements are moved, never
/// computed, so that labels stay labels to whatever looks for them.
static Value padValue(Node &node, const Constant &value, const Padding &padding,
                      ArrayRef<int64_t> shape) {
  int64_t rank = shape.size();
  Shape from(rank), sizes(rank), to(rank), ones(rank, 1);
  for (int64_t i = 0; i < rank; ++i) {
    from[i] = std::max<int64_t>(-padding.before[i], 0);
    to[i] = std::max<int64_t>(padding.before[i], 0);
    sizes[i] =
        std::min(node.shape(0)[i], shape[i] - padding.before[i]) - from[i];
  }
  Value box = createSlice(node, node.value(0), from, sizes, ones);
  if (sizes == shape)
    return box;
  if (value.number(0) == 0)
    return node.create<train::PlaceOp>(node.type(0).clone(shape), box, to,
                                       ones);
  for (int64_t axis = 0; axis < rank; ++axis) {
    int64_t after = shape[axis] - to[axis] - sizes[axis];
    SmallVector<Value> parts;
    auto add = [&](int64_t count) {
      Shape part(sizes);
      part[axis] = count;
      if (count > 0)
        parts.push_back(node.materialize(value.broadcast(part)));
    };
    add(to[axis]);
    parts.push_back(box);
    add(after);
    sizes[axis] = shape[axis];
    if (parts.size() > 1)
      box =
          node.create<train::ConcatOp>(node.type(0).clone(sizes), parts, axis);
  }
  return box;
}

static LogicalResult importPad(Node &node) {
  std::optional<Padding> padding = readPadding(node);
  if (!padding)
    return failure();
  std::optional<Shape> shape = paddedShape(node, *padding);
  std::optional<Constant> value = paddingValue(node);
  if (!shape || !value)
    return failure();
  if (padding->mode != "constant" && llvm::is_contained(node.shape(0), 0))
    return node.invalid("repeats what has no elements");
  // Entries are chosen one by one, of dimensions that are not yet all cut.
  Shape widest(*shape);
  for (auto [dim, own] : llvm::zip_equal(widest, node.shape(0)))
    dim = std::max(dim, own);
  bool isListed =
      node.constant(0) || padding->mode != "constant" || value->number(0) != 0;
  if (isListed &&
      countElements(widest).value_or(INT64_MAX) > Constant::maxElements)
    return node.unsupported("its result is too large: " + toString(*shape));
  if (const Constant *constant = node.constant(0))
    return node.yield(padConstant(*constant, *value, *padding, *shape));
  if (product(*shape) == 0)
    return node.unsupported("its result has no elements");
  if (padding->mode == "constant") {
    for (int64_t i = 0; i < node.rank(0); ++i)
      if (padding->before[i] <= -node.shape(0)[i] ||
          padding->after[i] <= -node.shape(0)[i])
        return node.unsupported("cuts all of its input off");
    return node.yield(padValue(node, *value, *padding, *shape));
  }
  Value result = node.value(0);
  for (auto [axis, size] : llvm::enumerate(*shape)) {
    Shape indices = paddedIndices(padding->mode, node.shape(0)[axis],
                                  padding->before[axis], size);
    result = takeAlong(node, result, axis, indices);
  }
  return node.yield(result);
}

ArrayRef<Operator> padOperators() {
  static constexpr Operator table[] = {
      {"Pad", 2, "data:any", importPad},
      {"Pad", 11, "data:any pads:ints constant_value:any? axes:ints?",
       importPad},
  };
  return table;
}

} // namespace fp8c
