//===- Contractions.cpp - Matrix products ---------------------------------===//

#include "Import/ONNX/Operators.h"
#include "Import/ONNX/Shapes.h"
#include "Train/IR/Train.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"

using namespace mlir;

namespace fp8c {

using ShapeRef = ArrayRef<int64_t>;

static ShapeRef shapeOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape();
}

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

/// numpy.matmul: vectors are rows or columns, leading dimensions broadcast.
static LogicalResult importMatMul(Node &node) {
  Shape a(node.shape(0)), b(node.shape(1));
  bool isRow = a.size() == 1, isColumn = b.size() == 1;
  if (a.empty() || b.empty())
    return node.invalid("cannot multiply scalars");
  if (isRow)
    a.insert(a.begin(), 1);
  if (isColumn)
    b.push_back(1);
  std::optional<Shape> batch =
      broadcastShapes(ShapeRef(a).drop_back(2), ShapeRef(b).drop_back(2));
  if (!batch || a.back() != b[b.size() - 2])
    return node.invalid("cannot multiply " + toString(node.shape(0)) + " by " +
                        toString(node.shape(1)));

  Shape result(*batch);
  if (!isRow)
    result.push_back(a[a.size() - 2]);
  if (!isColumn)
    result.push_back(b.back());
  Value lhs = node.reshape(node.value(0), a);
  Value rhs = node.reshape(node.value(1), b);
  Value matrix;
  if (product(ShapeRef(b).drop_back(2)) == 1) {
    // One matrix for all rows.
    rhs = node.reshape(rhs, ShapeRef(b).take_back(2));
    matrix = contract(node, {lhs, int64_t(a.size()) - 1}, {rhs, 0}, 0);
  } else {
    matrix = multiplyBatches(node, lhs, rhs, *batch);
  }
  return node.yield(node.reshape(matrix, result));
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

ArrayRef<Operator> contractionOperators() {
  static constexpr Operator table[] = {
      {"MatMul", 13, "A:float B:float", importMatMul},
      {"Gemm", 13, "A:float B:float C:float?", importGemm},
  };
  return table;
}

} // namespace fp8c
