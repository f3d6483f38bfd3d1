//===- Indexing.cpp - Operators that choose elements ----------------------===//

#include "Import/ONNX/Indexing.h"

#include "Import/ONNX/Operators.h"
#include "Train/IR/Train.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"

using namespace mlir;

namespace fp8c {

//===----------------------------------------------------------------------===//
// Gather
//===----------------------------------------------------------------------===//

/// data [A…, V, B…] and indices of shape S give [A…, S…, B…].
static Shape gatheredShape(Node &node, int64_t axis) {
  Shape shape(node.shape(0).take_front(axis));
  shape.append(node.shape(1).begin(), node.shape(1).end());
  llvm::append_range(shape, node.shape(0).drop_front(axis + 1));
  return shape;
}

std::optional<Shape> indicesFromStart(Node &node, ArrayRef<int64_t> indices,
                                      int64_t size) {
  Shape fromStart(indices);
  for (int64_t &index : fromStart) {
    if (index < -size || index >= size) {
      (void)node.invalid("has an index " + Twine(index) +
                         " into a dimension of " + Twine(size));
      return std::nullopt;
    }
    index += index < 0 ? size : 0;
  }
  return fromStart;
}

Constant takeAlong(const Constant &data, int64_t axis,
                   ArrayRef<int64_t> indices) {
  Shape shape(data.shape());
  int64_t outer = product(data.shape().take_front(axis)), size = shape[axis];
  int64_t inner = product(data.shape().drop_front(axis + 1));
  std::vector<int64_t> elements;
  elements.reserve(outer * indices.size() * inner);
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t index : indices)
      for (int64_t i = 0; i < inner; ++i)
        elements.push_back((o * size + index) * inner + i);
  shape[axis] = indices.size();
  return data.take(shape, elements);
}

/// The distance between indices that run upwards evenly.
static std::optional<int64_t> ascendingStep(ArrayRef<int64_t> indices) {
  int64_t step = indices.size() > 1 ? indices[1] - indices[0] : 1;
  for (size_t i = 1; i < indices.size(); ++i)
    if (indices[i] - indices[i - 1] != step)
      return std::nullopt;
  return step > 0 ? std::optional<int64_t>(step) : std::nullopt;
}

Value createSlice(Node &node, Value value, ArrayRef<int64_t> offsets,
                  ArrayRef<int64_t> sizes, ArrayRef<int64_t> strides) {
  auto type = cast<RankedTensorType>(value.getType());
  if (type.getShape() == sizes)
    return value;
  return node.create<train::SliceOp>(type.clone(sizes), value, offsets,
                                     strides);
}

bool canTake(RankedTensorType type) {
  return type.getElementType().isF32() || type.getElementType().isInteger(1);
}

Value toInt64(Node &node, Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  if (type.getElementType().isInteger(64))
    return value;
  return node.create<train::ConvertOp>(type.clone(node.builder.getI64Type()),
                                       value);
}

/// Rows of floats, or of booleans by way of these.
static Value createRows(Node &node, Value table, Value ids) {
  auto type = cast<RankedTensorType>(table.getType());
  bool isBool = type.getElementType().isInteger(1);
  auto floats = type.clone(node.builder.getF32Type());
  if (isBool)
    table = node.create<train::ConvertOp>(floats, table);
  Shape shape(shapeOf(ids));
  shape.push_back(type.getDimSize(1));
  Value rows = node.create<train::EmbeddingOp>(floats.clone(shape), table, ids);
  return isBool ? node.create<train::ConvertOp>(type.clone(shape), rows) : rows;
}

Value takeRows(Node &node, Value table, ArrayRef<int64_t> ids,
               ArrayRef<int64_t> shape) {
  auto idsType = RankedTensorType::get(shape, node.builder.getI64Type());
  Value idsValue = node.materialize(Constant(idsType, ids.vec()));
  return createRows(node, table, idsValue);
}

/// The table whose rows are the entries along an axis.
static Value turnIntoTable(Node &node, Value value, int64_t axis) {
  Shape shape(shapeOf(value));
  Value turned =
      node.transpose(value, movingPermutation(shape.size(), axis, 0));
  return node.reshape(turned, {shape[axis], product(shape) / shape[axis]});
}

Value takeAlong(Node &node, Value value, int64_t axis,
                ArrayRef<int64_t> indices) {
  Shape sizes(shapeOf(value));
  int64_t rank = sizes.size();
  if (std::optional<int64_t> step = ascendingStep(indices)) {
    Shape offsets(rank, 0), strides(rank, 1);
    offsets[axis] = indices.front();
    strides[axis] = *step;
    sizes[axis] = indices.size();
    return createSlice(node, value, offsets, sizes, strides);
  }
  Value rows = takeRows(node, turnIntoTable(node, value, axis), indices,
                        {int64_t(indices.size())});
  Shape turned = {int64_t(indices.size())};
  sizes.erase(sizes.begin() + axis);
  llvm::append_range(turned, sizes);
  return node.transpose(node.reshape(rows, turned),
                        movingPermutation(rank, 0, axis));
}

/// Rows of a table: other data is turned until it is one.
static LogicalResult gatherRows(Node &node, int64_t axis) {
  int64_t rank = node.rank(0), idsRank = node.rank(1);
  Value table = turnIntoTable(node, node.value(0), axis);
  Shape shape(node.shape(1)), rest(node.shape(0));
  rest.erase(rest.begin() + axis);
  shape.push_back(product(rest));
  Value gathered = createRows(node, table, toInt64(node, node.value(1)));
  shape.pop_back();
  llvm::append_range(shape, rest);
  gathered = node.reshape(gathered, shape);

  // [S…, A…, B…] to [A…, S…, B…]
  Shape permutation;
  for (int64_t i = 0; i < axis; ++i)
    permutation.push_back(idsRank + i);
  for (int64_t i = 0; i < idsRank; ++i)
    permutation.push_back(i);
  for (int64_t i = idsRank + axis; i < idsRank + rank - 1; ++i)
    permutation.push_back(i);
  return node.yield(node.transpose(gathered, permutation));
}

static LogicalResult importGather(Node &node) {
  std::optional<int64_t> axis =
      node.axis(node.integer("axis", 0), node.rank(0));
  if (!axis)
    return failure();
  Shape shape = gatheredShape(node, *axis);
  if (failed(checkSize(node, shape)))
    return failure();
  const Constant *indices = node.constant(1), *data = node.constant(0);
  if (indices && indices->isFloat())
    return node.invalid("has indices of float");
  if (indices) {
    std::optional<Shape> known =
        indicesFromStart(node, indices->integers(), node.shape(0)[*axis]);
    if (!known)
      return failure();
    if (data)
      return node.yield(takeAlong(*data, *axis, *known).reshape(shape));
    if (known->empty())
      return node.unsupported("its result has no elements");
    if (canTake(node.type(0)) || ascendingStep(*known))
      return node.yield(
          node.reshape(takeAlong(node, node.value(0), *axis, *known), shape));
  }
  if (!canTake(node.type(0)))
    return node.unsupported("chooses among integers known at run time");
  return gatherRows(node, *axis);
}

//===----------------------------------------------------------------------===//
// Slice
//===----------------------------------------------------------------------===//

namespace {
/// What a Slice takes of each dimension; strides may be negative.
struct Box {
  Shape offsets, sizes, strides;
};
} // namespace

/// Bounds as NumPy understands them: from the end if negative, clamped.
static void sliceDimension(Box &box, int64_t axis, int64_t size, int64_t start,
                           int64_t end, int64_t step) {
  auto clamp = [&](int64_t bound) {
    bound = bound < 0 ? std::max(bound + size, int64_t(-1)) : bound;
    return step > 0 ? std::clamp(bound, int64_t(0), size)
                    : std::clamp(bound, int64_t(-1), size - 1);
  };
  start = clamp(start);
  end = clamp(end);
  int64_t span = step > 0 ? end - start : start - end;
  // A step past the end of the dimension takes one element.
  uint64_t stride = step > 0 ? uint64_t(step) : 0 - uint64_t(step);
  box.offsets[axis] = start;
  box.sizes[axis] = span > 0 ? llvm::divideCeil(uint64_t(span), stride) : 0;
  box.strides[axis] = box.sizes[axis] > 1 ? step : 1;
}

static std::optional<Box> sliceBox(Node &node) {
  auto bad = [&](const Twine &message) {
    (void)node.invalid(message);
    return std::nullopt;
  };
  int64_t rank = node.rank(0);
  constexpr int64_t inputSince = 10; // attributes before
  std::optional<Shape> starts = node.integerList("starts", 1, inputSince);
  std::optional<Shape> ends = node.integerList("ends", 2, inputSince);
  if (!starts || !ends)
    return bad("lacks its attributes 'starts' and 'ends'");
  std::optional<Shape> given = node.integerList("axes", 3, inputSince);
  Shape axes = given.value_or(identityPermutation(rank));
  Shape steps(starts->size(), 1);
  if (node.has(4))
    steps = Shape(node.integers(4));
  if (ends->size() != starts->size() || steps.size() != starts->size() ||
      axes.size() < starts->size() || (given && axes.size() != starts->size()))
    return bad("needs a start, an end and a step per axis");
  Box box{Shape(rank, 0), Shape(node.shape(0)), Shape(rank, 1)};
  llvm::SmallDenseSet<int64_t> seen;
  for (size_t i = 0; i < starts->size(); ++i) {
    std::optional<int64_t> axis = node.axis(axes[i], rank);
    if (!axis)
      return std::nullopt;
    if (steps[i] == 0)
      return bad("has a step of 0");
    if (!seen.insert(*axis).second)
      return bad("names axis " + Twine(*axis) + " twice");
    sliceDimension(box, *axis, node.shape(0)[*axis], (*starts)[i], (*ends)[i],
                   steps[i]);
  }
  return box;
}

static LogicalResult importSlice(Node &node) {
  std::optional<Box> box = sliceBox(node);
  if (!box)
    return failure();
  if (const Constant *constant = node.constant(0)) {
    Shape strides = rowMajorStrides(constant->shape());
    int64_t offset = 0;
    for (auto [i, stride] : llvm::enumerate(strides)) {
      offset += box->offsets[i] * stride;
      stride *= box->strides[i];
    }
    return node.yield(constant->view(box->sizes, offset, strides));
  }
  if (product(box->sizes) == 0)
    return node.unsupported("its result has no elements");
  // What goes backwards is chosen row by row.
  Value value = node.value(0);
  for (auto [axis, stride] : llvm::enumerate(box->strides)) {
    if (stride > 0)
      continue;
    if (!canTake(node.type(0)))
      return node.unsupported("goes backwards through integers");
    Shape indices(box->sizes[axis]);
    for (auto [i, index] : llvm::enumerate(indices))
      index = box->offsets[axis] + int64_t(i) * stride;
    value = takeAlong(node, value, axis, indices);
    box->offsets[axis] = 0;
    stride = 1;
  }
  return node.yield(
      createSlice(node, value, box->offsets, box->sizes, box->strides));
}

ArrayRef<Operator> indexingOperators() {
  static constexpr Operator table[] = {
      {"Gather", 1, "data:any indices:any", importGather},
      {"Slice", 1, "data:any", importSlice},
      {"Slice", 10, "data:any starts:ints ends:ints axes:ints? steps:ints?",
       importSlice},
  };
  return table;
}

} // namespace fp8c
