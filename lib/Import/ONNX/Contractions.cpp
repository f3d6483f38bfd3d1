//===- Contractions.cpp - Matrix products ---------------------------------===//

#include "Import/ONNX/Indexing.h"
#include "Import/ONNX/Operators.h"
#include "Train/IR/Train.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"

using namespace mlir;

namespace fp8c {

using ShapeRef = ArrayRef<int64_t>;

namespace {
/// An operand and the dimension of it that is contracted.
struct Side {
  Value value;
  int64_t contracted;
};
} // namespace

/// A contraction reads transposed matrices where they stand.
static Side absorbTranspose(Side side, int64_t batch) {
  auto transpose = side.value.getDefiningOp<train::TransposeOp>();
  int64_t rank = shapeOf(side.value).size();
  if (!transpose || rank != batch + 2)
    return side;
  Shape swapped = identityPermutation(rank);
  std::swap(swapped[rank - 2], swapped[rank - 1]);
  if (transpose.getPermutation() != ShapeRef(swapped))
    return side;
  return {transpose.getInput(), swapped[side.contracted]};
}

static Value contract(Node &node, Side lhs, Side rhs, int64_t batch) {
  lhs = absorbTranspose(lhs, batch);
  rhs = absorbTranspose(rhs, batch);
  return node.create<train::MatmulOp>(lhs.value, rhs.value,
                                      ShapeRef(lhs.contracted),
                                      ShapeRef(rhs.contracted), batch);
}

//===----------------------------------------------------------------------===//
// MatMul
//===----------------------------------------------------------------------===//

/// Products of matrices: lhs [A…, M, K], rhs [B…, K, N], where A… and B…
/// broadcast to `batch`.
static Value multiplyBatches(Node &node, Value lhs, Value rhs, ShapeRef batch) {
  auto repeat = [&](Value value) {
    Shape shape(batch);
    llvm::append_range(shape, shapeOf(value).take_back(2));
    return node.broadcast(value, shape);
  };
  int64_t rank = batch.size();
  return contract(node, {repeat(lhs), rank + 1}, {repeat(rhs), rank}, rank);
}

namespace {
/// numpy.matmul: vectors are rows or columns, leading dimensions broadcast.
struct MatMulShapes {
  Shape a, b;   ///< Of the operands as matrices.
  Shape batch;  ///< What their leading dimensions broadcast to.
  Shape result; ///< Without the dimensions that vectors have not.
};
} // namespace

static std::optional<MatMulShapes> matMulShapes(Node &node) {
  MatMulShapes shapes{Shape(node.shape(0)), Shape(node.shape(1)), {}, {}};
  auto &[a, b, batch, result] = shapes;
  bool isRow = a.size() == 1, isColumn = b.size() == 1;
  if (a.empty() || b.empty()) {
    (void)node.invalid("cannot multiply scalars");
    return std::nullopt;
  }
  if (isRow)
    a.insert(a.begin(), 1);
  if (isColumn)
    b.push_back(1);
  std::optional<Shape> common =
      broadcastShapes(ShapeRef(a).drop_back(2), ShapeRef(b).drop_back(2));
  if (!common || a.back() != b[b.size() - 2]) {
    (void)node.invalid("cannot multiply " + toString(node.shape(0)) + " by " +
                       toString(node.shape(1)));
    return std::nullopt;
  }
  batch = *common;
  result = batch;
  if (!isRow)
    result.push_back(a[a.size() - 2]);
  if (!isColumn)
    result.push_back(b.back());
  return shapes;
}

static LogicalResult importMatMul(Node &node) {
  std::optional<MatMulShapes> shapes = matMulShapes(node);
  if (!shapes || failed(checkSize(node, shapes->result)))
    return failure();
  auto &[a, b, batch, result] = *shapes;
  Value lhs = node.reshape(node.value(0), a);
  Value rhs = node.reshape(node.value(1), b);
  Value matrix;
  if (product(ShapeRef(b).drop_back(2)) == 1) {
    // One matrix for all rows.
    rhs = node.reshape(rhs, ShapeRef(b).take_back(2));
    matrix = contract(node, {lhs, int64_t(a.size()) - 1}, {rhs, 0}, 0);
  } else {
    matrix = multiplyBatches(node, lhs, rhs, batch);
  }
  return node.yield(node.reshape(matrix, result));
}

/// Rotary angles and the like; larger products wait for run time.
static LogicalResult foldMatMul(Node &node) {
  constexpr int64_t maxProducts = int64_t(1) << 26;
  std::optional<MatMulShapes> shapes = matMulShapes(node);
  if (!shapes)
    return failure();
  auto &[a, b, batch, result] = *shapes;
  int64_t rows = a[a.size() - 2], inner = a.back(), columns = b.back();
  Shape all(batch);
  all.append({rows, inner, columns});
  if (!node.constant(0)->isFloat() || !node.constant(1)->isFloat())
    return node.unsupported("multiplies matrices of integers");
  if (countElements(all).value_or(maxProducts) >= maxProducts)
    return importMatMul(node);
  Shape full(batch);
  full.append({rows, inner});
  Constant lhs = node.constant(0)->reshape(a).broadcast(full);
  full.truncate(batch.size());
  full.append({inner, columns});
  Constant rhs = node.constant(1)->reshape(b).broadcast(full);
  std::vector<float> sums;
  for (int64_t i = 0; i < product(batch) * rows; ++i)
    for (int64_t column = 0; column < columns; ++column) {
      double sum = 0;
      for (int64_t k = 0; k < inner; ++k)
        sum += double(lhs.floats()[i * inner + k]) *
               rhs.floats()[(i / rows * inner + k) * columns + column];
      sums.push_back(float(sum));
    }
  return node.yield(Constant(node.type(0).clone(result), std::move(sums)));
}

//===----------------------------------------------------------------------===//
// Gemm
//===----------------------------------------------------------------------===//

static Value scale(Node &node, Value value, float factor) {
  if (factor == 1.0f)
    return value;
  return node.create<train::MulOp>(value, node.scalar(factor));
}

/// alpha * A' * B' + beta * C
static LogicalResult importGemm(Node &node) {
  float alpha = node.number("alpha", 1.0f), beta = node.number("beta", 1.0f);
  int64_t contractedA = node.integer("transA", 0) ? 0 : 1;
  int64_t contractedB = node.integer("transB", 0) ? 1 : 0;
  if (node.rank(0) != 2 || node.rank(1) != 2 ||
      node.shape(0)[contractedA] != node.shape(1)[contractedB])
    return node.invalid("cannot multiply " + toString(node.shape(0)) + " by " +
                        toString(node.shape(1)));
  Value result = contract(node, {node.value(0), contractedA},
                          {node.value(1), contractedB}, 0);
  result = scale(node, result, alpha);
  if (!node.has(2) || beta == 0.0f)
    return node.yield(result);
  Shape shape(shapeOf(result));
  if (broadcastShapes(node.shape(2), shape) != shape)
    return node.invalid("cannot add " + toString(node.shape(2)) + " to " +
                        toString(shape));
  Value c = scale(node, node.value(2), beta);
  return node.yield(node.create<train::AddOp>(result, c));
}

//===----------------------------------------------------------------------===//
// Conv
//===----------------------------------------------------------------------===//

/// Whether patches lie side by side, as those of an image's embedding do: each
/// is then a row, and the convolution a product. An error if not.
static LogicalResult checkPatches(Node &node) {
  int64_t rank = node.rank(0), dims = rank - 2;
  if (dims < 1 || node.rank(1) != rank || node.shape(0)[1] < 1)
    return node.invalid("needs an input [batch, channels, ...] and kernels of "
                        "as many dimensions, not " +
                        toString(node.shape(0)) + " and " +
                        toString(node.shape(1)));
  ShapeRef kernel = node.shape(1).drop_front(2);
  Shape ones(dims, 1), none(2 * dims, 0);
  Shape given = node.integerList("kernel_shape").value_or(Shape(kernel));
  Shape strides = node.integerList("strides").value_or(ones);
  Shape dilations = node.integerList("dilations").value_or(ones);
  Shape pads = node.integerList("pads").value_or(none);
  std::string autoPad = node.string("auto_pad").value_or("NOTSET");
  if (ShapeRef(given) != kernel)
    return node.invalid("has a kernel_shape " + toString(given) +
                        " where its kernels are " + toString(kernel));
  if (node.integer("group", 1) != 1)
    return node.unsupported("convolves channels in groups");
  if (ShapeRef(strides) != kernel || pads != none ||
      (dilations != ones && product(kernel) != 1) ||
      (autoPad != "NOTSET" && autoPad != "VALID"))
    return node.unsupported("its patches overlap, are padded or have gaps: "
                            "only a stride of the kernel's size is known");
  if (node.shape(1)[1] != node.shape(0)[1] ||
      (node.has(2) && node.shape(2) != node.shape(1).take_front(1)))
    return node.invalid("has kernels " + toString(node.shape(1)) +
                        " that do not fit its input " +
                        toString(node.shape(0)) + " or its bias");
  for (auto [size, patch] :
       llvm::zip_equal(node.shape(0).drop_front(2), kernel))
    if (patch < 1 || size < patch)
      return node.invalid("has an input " + toString(node.shape(0)) +
                          " smaller than its kernel " + toString(kernel));
  return success();
}

/// The patches of input 0 as rows [batch, places, channels * patch].
static Value patchRows(Node &node, ShapeRef kernel, ShapeRef places) {
  int64_t rank = node.rank(0), dims = kernel.size();
  ShapeRef shape = node.shape(0);
  Shape whole = {shape[0], shape[1]}, split(whole), order = {0}, inside = {1};
  for (int64_t i = 0; i < dims; ++i) {
    whole.push_back(places[i] * kernel[i]);
    split.append({places[i], kernel[i]});
    order.push_back(2 + 2 * i);
    inside.push_back(3 + 2 * i);
  }
  order.append(inside);
  // What fills no patch is left out.
  Value input =
      createSlice(node, node.value(0), Shape(rank, 0), whole, Shape(rank, 1));
  Value patches = node.transpose(node.reshape(input, split), order);
  return node.reshape(patches,
                      {shape[0], product(places), shape[1] * product(kernel)});
}

static LogicalResult importConv(Node &node) {
  if (failed(checkPatches(node)))
    return failure();
  ShapeRef kernels = node.shape(1), kernel = kernels.drop_front(2);
  Shape places;
  for (auto [size, patch] :
       llvm::zip_equal(node.shape(0).drop_front(2), kernel))
    places.push_back(size / patch);
  Value rows = patchRows(node, kernel, places);
  Value weight =
      node.reshape(node.value(1), {kernels[0], product(kernels) / kernels[0]});
  Value output = contract(node, {rows, 2}, {weight, 1}, 0);
  if (node.has(2))
    output = node.create<train::AddOp>(output, node.value(2));
  Shape shape = {node.shape(0)[0], kernels[0]};
  llvm::append_range(shape, places);
  return node.yield(node.reshape(node.transpose(output, {0, 2, 1}), shape));
}

ArrayRef<Operator> contractionOperators() {
  static constexpr Operator table[] = {
      {"MatMul", 1, "A:float B:float", importMatMul, foldMatMul},
      {"Gemm", 7, "A:float B:float C:float", importGemm},
      {"Gemm", 11, "A:float B:float C:float?", importGemm},
      {"Conv", 1, "X:float W:float B:float?", importConv},
  };
  return table;
}

} // namespace fp8c
