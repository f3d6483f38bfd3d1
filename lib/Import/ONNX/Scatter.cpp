//===- Scatter.cpp - Gathering and scattering with indices per element ----===//
//
// GatherND and ScatterND index the rows of a table that the data is viewed as,
// GatherElements and ScatterElements rows of one element.
//
//===----------------------------------------------------------------------===//

#include "Import/ONNX/ConstantMath.h"
#include "Import/ONNX/Indexing.h"
#include "Import/ONNX/Operators.h"
#include "Train/IR/Train.h"

using namespace mlir;

namespace fp8c {

//===----------------------------------------------------------------------===//
// Indices
//===----------------------------------------------------------------------===//

namespace {
/// Rows of the data, viewed as [count, width].
struct TableRows {
  std::vector<int64_t> ids;
  int64_t count, width;
};
} // namespace

/// Input 1 must have the rank of the data, and outside of the axis no dimension
/// that is larger.
static LogicalResult checkElementIndices(Node &node, int64_t axis) {
  bool fits = node.rank(1) == node.rank(0);
  for (int64_t i = 0; fits && i < node.rank(0); ++i)
    fits = i == axis || node.shape(1)[i] <= node.shape(0)[i];
  if (!fits)
    return node.invalid("has indices " + toString(node.shape(1)) +
                        " that do not fit its data " + toString(node.shape(0)));
  return success();
}

/// Rows of one element for known indices along an axis.
static std::optional<TableRows> elementRows(Node &node, int64_t axis) {
  if (failed(checkElementIndices(node, axis)))
    return std::nullopt;
  std::optional<Shape> along =
      indicesFromStart(node, node.integers(1), node.shape(0)[axis]);
  if (!along)
    return std::nullopt;
  Shape strides = rowMajorStrides(node.shape(0));
  Shape own = rowMajorStrides(node.shape(1));
  TableRows rows{{}, product(node.shape(0)), 1};
  rows.ids.reserve(along->size());
  for (int64_t i = 0; i < int64_t(along->size()); ++i) {
    int64_t id = (*along)[i] * strides[axis];
    for (int64_t dim = 0; dim < node.rank(0); ++dim)
      if (dim != axis)
        id += i / own[dim] % node.shape(1)[dim] * strides[dim];
    rows.ids.push_back(id);
  }
  return rows;
}

/// Rows that the last dimension of known indices names, behind `batch`
/// dimensions that data and indices share.
static std::optional<TableRows> tupleRows(Node &node, int64_t batch) {
  auto bad = [&](const Twine &message) {
    (void)node.invalid(message);
    return std::nullopt;
  };
  ArrayRef<int64_t> data = node.shape(0), indices = node.shape(1);
  int64_t rank = node.rank(0), length = indices.empty() ? 0 : indices.back();
  if (indices.empty() || batch < 0 || batch >= int64_t(indices.size()) ||
      length < 1 || batch + length > rank ||
      data.take_front(batch) != indices.take_front(batch))
    return bad("has indices " + toString(indices) +
               " that do not fit its data " + toString(data) + " behind " +
               Twine(batch) + " dimensions");
  Shape strides = rowMajorStrides(data.take_front(batch + length));
  TableRows rows{{},
                 product(data.take_front(batch + length)),
                 product(data.drop_front(batch + length))};
  int64_t tuples = product(indices.drop_back());
  int64_t perBatch =
      tuples / std::max<int64_t>(product(indices.take_front(batch)), 1);
  int64_t batchRows = product(data.slice(batch, length));
  for (int64_t i = 0; i < tuples; ++i) {
    int64_t row = i / perBatch * batchRows;
    for (int64_t j = 0; j < length; ++j) {
      int64_t size = data[batch + j];
      int64_t index = node.integers(1)[i * length + j];
      if (index < -size || index >= size)
        return bad("has an index " + Twine(index) + " into a dimension of " +
                   Twine(size));
      row += (index < 0 ? index + size : index) * strides[batch + j];
    }
    rows.ids.push_back(row);
  }
  return rows;
}

//===----------------------------------------------------------------------===//
// Gather
//===----------------------------------------------------------------------===//

static LogicalResult gatherRows(Node &node, const TableRows &rows,
                                ArrayRef<int64_t> shape) {
  if (failed(checkSize(node, shape)))
    return failure();
  if (const Constant *data = node.constant(0))
    return node.yield(
        takeAlong(data->reshape({rows.count, rows.width}), 0, rows.ids)
            .reshape(shape));
  if (rows.ids.empty())
    return node.unsupported("its result has no elements");
  if (!canTake(node.type(0)))
    return node.unsupported("chooses among integers known at run time");
  Value table = node.reshape(node.value(0), {rows.count, rows.width});
  return node.yield(node.reshape(takeAlong(node, table, 0, rows.ids), shape));
}

/// With indices known at run time; the axis is moved to the end.
static LogicalResult gatherElements(Node &node, int64_t axis) {
  if (failed(checkElementIndices(node, axis)))
    return failure();
  if (!node.type(0).getElementType().isF32())
    return node.unsupported("chooses among integers known at run time");
  int64_t rank = node.rank(0);
  Shape box(node.shape(1)), toEnd = movingPermutation(rank, axis, rank - 1);
  box[axis] = node.shape(0)[axis];
  Value data =
      createSlice(node, node.value(0), Shape(rank, 0), box, Shape(rank, 1));
  Value turned = node.transpose(data, toEnd);
  Value indices = node.transpose(toInt64(node, node.value(1)), toEnd);
  Value chosen = node.create<train::GatherElementsOp>(turned, indices);
  return node.yield(
      node.transpose(chosen, movingPermutation(rank, rank - 1, axis)));
}

static LogicalResult importGatherElements(Node &node) {
  std::optional<int64_t> axis =
      node.axis(node.integer("axis", 0), node.rank(0));
  if (!axis)
    return failure();
  if (node.constant(1) && node.constant(1)->isFloat())
    return node.invalid("has indices of float");
  if (!node.constant(1))
    return gatherElements(node, *axis);
  std::optional<TableRows> rows = elementRows(node, *axis);
  return rows ? gatherRows(node, *rows, node.shape(1)) : failure();
}

static LogicalResult importGatherND(Node &node) {
  int64_t batch = node.integer("batch_dims", 0);
  std::optional<TableRows> rows = tupleRows(node, batch);
  if (!rows)
    return failure();
  Shape shape(node.shape(1).drop_back());
  llvm::append_range(shape,
                     node.shape(0).drop_front(batch + node.shape(1).back()));
  return gatherRows(node, *rows, shape);
}

//===----------------------------------------------------------------------===//
// Scatter
//===----------------------------------------------------------------------===//

static float add(float a, float b) { return a + b; }
static float multiply(float a, float b) { return a * b; }
static int64_t add(int64_t a, int64_t b) { return addWrapping(a, b); }
static int64_t multiply(int64_t a, int64_t b) { return mulWrapping(a, b); }

template <typename T> static T combine(StringRef reduction, T old, T update) {
  if (reduction == "add")
    return add(old, update);
  if (reduction == "mul")
    return multiply(old, update);
  if (reduction == "max")
    return std::max(old, update);
  if (reduction == "min")
    return std::min(old, update);
  return update;
}

static Constant scatterConstant(const Constant &data, const Constant &updates,
                                const TableRows &rows, StringRef reduction) {
  auto scatter = [&](auto elements, auto given) {
    auto result = elements.vec();
    for (size_t i = 0; i < rows.ids.size(); ++i)
      for (int64_t j = 0; j < rows.width; ++j) {
        auto &element = result[rows.ids[i] * rows.width + j];
        element = combine(reduction, element, given[i * rows.width + j]);
      }
    if constexpr (std::is_same_v<decltype(result), std::vector<int64_t>>)
      for (int64_t &element : result)
        element = wrapInteger(element, data.type().getElementType());
    return Constant(data.type(), std::move(result));
  };
  return data.isFloat() ? scatter(data.floats(), updates.floats())
                        : scatter(data.integers(), updates.integers());
}

/// Each row of the data, or the last update that goes there.
static Value scatterValue(Node &node, const TableRows &rows) {
  std::vector<int64_t> source(rows.count, 0);
  std::vector<int64_t> isGiven(rows.count, 0);
  for (size_t i = 0; i < rows.ids.size(); ++i) {
    source[rows.ids[i]] = i;
    isGiven[rows.ids[i]] = 1;
  }
  Value table = node.reshape(node.value(0), {rows.count, rows.width});
  Value updates =
      node.reshape(node.value(2), {int64_t(rows.ids.size()), rows.width});
  Value spread = takeAlong(node, updates, 0, source);
  auto type = RankedTensorType::get({rows.count, 1}, node.builder.getI1Type());
  Value condition = node.materialize(Constant(type, std::move(isGiven)));
  return node.create<train::SelectOp>(condition, spread, table);
}

static LogicalResult scatter(Node &node, const TableRows &rows,
                             ArrayRef<int64_t> updates) {
  std::string reduction = node.string("reduction").value_or("none");
  if (!llvm::is_contained({"none", "add", "mul", "max", "min"},
                          StringRef(reduction)))
    return node.invalid("knows no reduction '" + reduction + "'");
  if (node.shape(2) != updates ||
      node.type(2).getElementType() != node.type(0).getElementType())
    return node.invalid("needs updates " + toString(updates) +
                        " of its data's type, not " + toString(node.shape(2)));
  if (node.constant(0) && node.constant(2))
    return node.yield(
        scatterConstant(*node.constant(0), *node.constant(2), rows, reduction));
  if (rows.ids.empty())
    return node.forward(0);
  if (reduction != "none")
    return node.unsupported("combines values known at run time (" + reduction +
                            ")");
  if (!canTake(node.type(0)))
    return node.unsupported("scatters integers known at run time");
  if (rows.count > Constant::maxElements)
    return node.unsupported("its data is too large: " +
                            toString(node.shape(0)));
  return node.yield(node.reshape(scatterValue(node, rows), node.shape(0)));
}

static LogicalResult importScatterElements(Node &node) {
  std::optional<int64_t> axis =
      node.axis(node.integer("axis", 0), node.rank(0));
  if (!axis)
    return failure();
  std::optional<TableRows> rows = elementRows(node, *axis);
  return rows ? scatter(node, *rows, node.shape(1)) : failure();
}

static LogicalResult importScatterND(Node &node) {
  std::optional<TableRows> rows = tupleRows(node, /*batch=*/0);
  if (!rows)
    return failure();
  Shape updates(node.shape(1).drop_back());
  llvm::append_range(updates, node.shape(0).drop_front(node.shape(1).back()));
  return scatter(node, *rows, updates);
}

ArrayRef<Operator> scatterOperators() {
  static constexpr Operator table[] = {
      {"GatherElements", 11, "data:any indices:any", importGatherElements},
      {"GatherND", 11, "data:any indices:ints", importGatherND},
      {"Scatter", 9, "data:any indices:ints updates:any",
       importScatterElements},
      {"ScatterElements", 11, "data:any indices:ints updates:any",
       importScatterElements},
      {"ScatterND", 11, "data:any indices:ints updates:any", importScatterND},
  };
  return table;
}

} // namespace fp8c
