//===- Norms.cpp - Normalisations -----------------------------------------===//
//
// The train dialect normalises over the last dimension. Where ONNX does over
// several, these are viewed as one.
//
//===----------------------------------------------------------------------===//

#include "Import/ONNX/Operators.h"
#include "Import/ONNX/Shapes.h"
#include "Train/IR/Train.h"

#include <cmath>

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

static std::optional<Rows> viewRows(Node &node, Value input) {
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
  rows.input = node.reshape(input, shape);
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

/// Of `input`, which has the shape of input 0; parameters are inputs, the bias
/// one that may be missing. Outputs 1 and 2 are mean and 1 / deviation.
static LogicalResult createLayerNorm(Node &node, Value input, unsigned weightAt,
                                     unsigned biasAt, float epsilon) {
  std::optional<Rows> rows = viewRows(node, input);
  if (!rows)
    return failure();
  Value weight = viewParameter(node, weightAt, *rows);
  if (!weight)
    return failure();
  Value bias = node.has(biasAt) ? viewParameter(node, biasAt, *rows)
                                : zeroBias(node, *rows);
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

/// As createLayerNorm(); 1 / deviation is output `rstdAt`.
static LogicalResult createRMSNorm(Node &node, Value input, unsigned weightAt,
                                   unsigned rstdAt, float epsilon) {
  std::optional<Rows> rows = viewRows(node, input);
  if (!rows)
    return failure();
  Value weight = viewParameter(node, weightAt, *rows);
  if (!weight)
    return failure();
  auto norm = node.create<train::RMSNormOp>(rows->input, weight, epsilon);
  if (node.wants(rstdAt))
    (void)node.yield(node.reshape(norm.getRstd(), rows->statistics()), rstdAt);
  return node.yield(node.reshape(norm.getOutput(), node.shape(0)));
}

static LogicalResult importLayerNorm(Node &node) {
  return createLayerNorm(node, node.value(0), 1, 2,
                         node.number("epsilon", 1e-5f));
}

static LogicalResult importRMSNorm(Node &node) {
  return createRMSNorm(node, node.value(0), 1, 1,
                       node.number("epsilon", 1e-5f));
}

//===----------------------------------------------------------------------===//
// After a residual sum
//===----------------------------------------------------------------------===//

/// input + skip, and + a bias [C] if there is one; also output 3. Null, with an
/// error, where they do not fit.
static Value addSkip(Node &node, unsigned biasAt) {
  auto add = [&](Value sum, unsigned i) -> Value {
    std::optional<Shape> shape = broadcastShapes(node.shape(i), node.shape(0));
    if (!shape || ArrayRef<int64_t>(*shape) != node.shape(0)) {
      (void)node.invalid("cannot add " + toString(node.shape(i)) + " to " +
                         toString(node.shape(0)));
      return {};
    }
    Value term = node.value(i);
    return node.create<train::AddOp>(sum, term);
  };
  Value sum = add(node.value(0), 1);
  if (sum && node.has(biasAt))
    sum = add(sum, biasAt);
  if (sum)
    (void)node.yield(sum, 3);
  return sum;
}

static LogicalResult importSkipLayerNorm(Node &node) {
  Value sum = addSkip(node, 4);
  return sum ? createLayerNorm(node, sum, 2, 3, node.number("epsilon", 1e-12f))
             : failure();
}

static LogicalResult importSkipRMSNorm(Node &node) {
  Value sum = addSkip(node, 3);
  return sum ? createRMSNorm(node, sum, 2, 2, node.number("epsilon", 1e-12f))
             : failure();
}

//===----------------------------------------------------------------------===//
// BatchNormalization
//===----------------------------------------------------------------------===//

/// 1 / sqrt(variance + epsilon)
static Value inverseDeviation(Node &node, float epsilon) {
  if (const Constant *variance = node.constant(4)) {
    std::vector<float> inverse;
    for (float number : variance->floats())
      inverse.push_back(float(1.0 / std::sqrt(double(number) + epsilon)));
    return node.materialize(Constant(variance->type(), std::move(inverse)));
  }
  Value shift = node.scalar(epsilon);
  Value sum = node.create<train::AddOp>(node.value(4), shift);
  return node.create<train::RsqrtOp>(sum);
}

/// With the running statistics [C] of dimension 1:
/// (x - mean) / sqrt(variance + epsilon) * scale + bias
static LogicalResult importBatchNorm(Node &node) {
  node.ignore({"momentum"});
  float epsilon = node.number("epsilon", 1e-5f);
  if (node.integer("training_mode", 0) != 0)
    return node.unsupported("takes its statistics from the batch "
                            "(training_mode): export the model for inference");
  if (node.opset < 9 && node.integer("spatial", 1) != 1)
    return node.unsupported("has statistics for each place (spatial)");
  if (node.rank(0) < 2)
    return node.invalid("needs an input [batch, channels, ...], not " +
                        toString(node.shape(0)));
  Shape channels(node.rank(0) - 1, 1);
  channels[0] = node.shape(0)[1];
  for (unsigned i = 1; i < 5; ++i)
    if (node.shape(i) != ArrayRef<int64_t>(channels).take_front(1))
      return node.invalid("needs one number for each of its " +
                          Twine(channels[0]) + " channels, not " +
                          toString(node.shape(i)));
  auto view = [&](Value value) { return node.reshape(value, channels); };
  Value inverse = inverseDeviation(node, epsilon);
  Value factor = node.create<train::MulOp>(node.value(1), inverse);
  Value mean = view(node.value(3));
  Value centred = node.create<train::SubOp>(node.value(0), mean);
  Value scaled = node.create<train::MulOp>(centred, view(factor));
  return node.yield(node.create<train::AddOp>(scaled, view(node.value(2))));
}

ArrayRef<Operator> normOperators() {
  static constexpr llvm::StringLiteral batchNorm =
      "X:float scale:float B:float input_mean:float input_var:float";
  static constexpr Operator table[] = {
      // Before opset 17 as ONNX Runtime writes it.
      {"LayerNormalization", 1, "X:float Scale:float B:float?",
       importLayerNorm},
      {"RMSNormalization", 23, "X:float scale:float", importRMSNorm},
      {"SimplifiedLayerNormalization", 1, "X:float scale:float", importRMSNorm},
      {"BatchNormalization", 7, batchNorm, importBatchNorm},
      {"SimplifiedLayerNormalization", 1, "X:float scale:float", importRMSNorm,
       nullptr, microsoftDomain},
      {"SkipLayerNormalization", 1,
       "input:float skip:float gamma:float beta:float? bias:float?",
       importSkipLayerNorm, nullptr, microsoftDomain},
      {"SkipSimplifiedLayerNormalization", 1,
       "input:float skip:float gamma:float bias:float?", importSkipRMSNorm,
       nullptr, microsoftDomain},
  };
  return table;
}

} // namespace fp8c
