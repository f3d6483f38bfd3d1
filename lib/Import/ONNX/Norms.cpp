//===- Norms.cpp - Normalisations -----------------------------------------===//
//
// The train dialect normalises over the last dimension. Where ONNX does over
// several, these are viewed as one.
//
//===----------------------------------------------------------------------===//

#include "Import/ONNX/Operators.h"
#include "Import/ONNX/Shapes.h"
#include "Train/IR/Train.h"

using namespace mlir;

namespace fp8c {

namespace {
/// The input [A…, B…], normalised over B…, as the op takes it: [A…, B].
struct Rows {
  Value input;
  Shape outer;      // A…
  Shape normalised; // B…

  Shape statistics() const { // [A…, 1…], as ONNX gives mean and deviation
    Shape shape(outer);
    shape.append(normalised.size(), 1);
    return shape;
  }
};
} // namespace

static std::optional<Rows> viewRows(Node &node) {
  std::optional<int64_t> axis =
      node.axis(node.integer("axis", -1), node.rank(0));
  if (!axis)
    return std::nullopt;
  if (int64_t type = node.integer("stash_type", 1); type != 1) {
    (void)node.unsupported("computes in another precision than float");
    return std::nullopt;
  }
  Rows rows;
  rows.outer = Shape(node.shape(0).take_front(*axis));
  rows.normalised = Shape(node.shape(0).drop_front(*axis));
  Shape shape(rows.outer);
  shape.push_back(product(rows.normalised));
  rows.input = node.reshape(node.value(0), shape);
  return rows;
}

/// A weight or bias as a vector of all that is normalised. Null, with an error,
/// where it does not broadcast to that.
static Value viewParameter(Node &node, unsigned i, const Rows &rows) {
  // Leading ones say nothing.
  ArrayRef<int64_t> shape = node.shape(i);
  while (shape.size() > rows.normalised.size() && shape.front() == 1)
    shape = shape.drop_front();
  std::optional<Shape> full = broadcastShapes(shape, rows.normalised);
  if (!full || *full != rows.normalised) {
    (void)node.unsupported("its parameter of shape " + toString(node.shape(i)) +
                           " does not broadcast to the normalised " +
                           toString(rows.normalised));
    return {};
  }
  Value value = node.broadcast(node.reshape(node.value(i), shape), *full);
  return node.reshape(value, {product(*full)});
}

static Value zeroBias(Node &node, const Rows &rows) {
  int64_t size = product(rows.normalised);
  auto type = RankedTensorType::get({size}, node.builder.getF32Type());
  return node.materialize(Constant(type, std::vector<float>(size, 0.0f)));
}

static LogicalResult importLayerNorm(Node &node) {
  float epsilon = node.number("epsilon", 1e-5f);
  std::optional<Rows> rows = viewRows(node);
  if (!rows)
    return failure();
  Value weight = viewParameter(node, 1, *rows);
  if (!weight)
    return failure();
  Value bias =
      node.has(2) ? viewParameter(node, 2, *rows) : zeroBias(node, *rows);
  if (!bias)
    return failure();
  auto norm =
      node.create<train::LayerNormOp>(rows->input, weight, bias, epsilon);
  if (node.wants(1))
    (void)node.yield(node.reshape(norm.getMean(), rows->statistics()), 1);
  if (node.wants(2))
    (void)node.yield(node.reshape(norm.getRstd(), rows->statistics()), 2);
  return node.yield(node.reshape(norm.getOutput(), node.shape(0)));
}

static LogicalResult importRMSNorm(Node &node) {
  float epsilon = node.number("epsilon", 1e-5f);
  std::optional<Rows> rows = viewRows(node);
  if (!rows)
    return failure();
  Value weight = viewParameter(node, 1, *rows);
  if (!weight)
    return failure();
  auto norm = node.create<train::RMSNormOp>(rows->input, weight, epsilon);
  return node.yield(node.reshape(norm.getOutput(), node.shape(0)));
}

ArrayRef<Operator> normOperators() {
  static constexpr Operator table[] = {
      {"LayerNormalization", 17, "X:float Scale:float B:float?",
       importLayerNorm},
      {"RMSNormalization", 23, "X:float scale:float", importRMSNorm},
  };
  return table;
}

} // namespace fp8c
