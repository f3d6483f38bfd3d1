//===- Activations.cpp - Activation functions -----------------------------===//

#include "Import/ONNX/Operators.h"
#include "Import/ONNX/Shapes.h"
#include "Train/IR/Train.h"

using namespace mlir;

namespace fp8c {

static LogicalResult importGelu(Node &node) {
  std::string approximate = node.string("approximate").value_or("none");
  if (approximate != "none" && approximate != "tanh")
    return node.invalid("knows no approximation '" + approximate + "'");
  return node.yield(node.create<train::GeluOp>(node.type(0), node.value(0),
                                               approximate == "tanh"));
}

/// Microsoft's, after adding input 1, a bias [C] to the last dimension, where
/// it is there. FastGelu is the approximation by tanh, the others are exact.
template <bool isTanh> static LogicalResult importBiasGelu(Node &node) {
  Value x = node.value(0);
  if (node.has(1)) {
    if (node.rank(1) != 1 || node.rank(0) == 0 ||
        node.shape(1)[0] != node.shape(0).back())
      return node.invalid("needs a bias for the last dimension of " +
                          toString(node.shape(0)) + ", not " +
                          toString(node.shape(1)));
    x = node.create<train::AddOp>(x, node.value(1));
  }
  return node.yield(node.create<train::GeluOp>(x.getType(), x, isTanh));
}

/// x * sigmoid(alpha * x)
static LogicalResult createSwish(Node &node, float alpha) {
  Value x = node.value(0), inner = x;
  if (alpha != 1.0f)
    inner = node.create<train::MulOp>(x, node.scalar(alpha));
  Value gate = node.create<train::SigmoidOp>(inner);
  return node.yield(node.create<train::MulOp>(x, gate));
}

static LogicalResult importSwish(Node &node) {
  return createSwish(node, node.number("alpha", 1.0f));
}
static LogicalResult importQuickGelu(Node &node) {
  return createSwish(node, node.number("alpha", 1.702f));
}

/// log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)), which does not overflow.
static LogicalResult importSoftplus(Node &node) {
  Value x = node.value(0);
  Value magnitude = node.create<train::AbsOp>(x);
  Value small = node.create<train::ExpOp>(node.create<train::NegOp>(magnitude));
  Value sum = node.create<train::AddOp>(small, node.scalar(1.0f));
  Value rest = node.create<train::LogOp>(sum);
  Value positive = node.create<train::ReluOp>(x);
  return node.yield(node.create<train::AddOp>(positive, rest));
}

/// max(0, min(1, alpha * x + beta)), where min(1, z) is 1 - max(0, 1 - z).
static Value createHardSigmoid(Node &node, float alpha, float beta) {
  Value one = node.scalar(1.0f), slope = node.scalar(alpha);
  Value scaled = node.create<train::MulOp>(node.value(0), slope);
  Value line = node.create<train::AddOp>(scaled, node.scalar(beta));
  Value below = node.create<train::ReluOp>(line);
  Value missing =
      node.create<train::ReluOp>(node.create<train::SubOp>(one, below));
  return node.create<train::SubOp>(one, missing);
}

static LogicalResult importHardSigmoid(Node &node) {
  float alpha = node.number("alpha", 0.2f), beta = node.number("beta", 0.5f);
  return node.yield(createHardSigmoid(node, alpha, beta));
}

static LogicalResult importHardSwish(Node &node) {
  Value gate = createHardSigmoid(node, 1.0f / 6.0f, 0.5f);
  return node.yield(node.create<train::MulOp>(node.value(0), gate));
}

/// x where it is positive, else slope * x.
static LogicalResult importLeakyRelu(Node &node) {
  Value x = node.value(0);
  Value scaled =
      node.create<train::MulOp>(x, node.scalar(node.number("alpha", 0.01f)));
  return node.yield(node.create<train::SelectOp>(x, x, scaled));
}

/// x where it is positive, else alpha * (exp(x) - 1); the exponent is kept from
/// overflowing where it is not chosen.
static LogicalResult importElu(Node &node) {
  Value x = node.value(0);
  Value negative = node.create<train::NegOp>(
      node.create<train::ReluOp>(node.create<train::NegOp>(x)));
  Value power = node.create<train::ExpOp>(negative);
  Value shifted = node.create<train::SubOp>(power, node.scalar(1.0f));
  Value scaled = node.create<train::MulOp>(
      shifted, node.scalar(node.number("alpha", 1.0f)));
  return node.yield(node.create<train::SelectOp>(x, x, scaled));
}

ArrayRef<Operator> activationOperators() {
  static constexpr Operator table[] = {
      {"Gelu", 20, "X:float", importGelu},
      {"Swish", 24, "X:float", importSwish},
      {"Softplus", 1, "X:float", importSoftplus},
      {"HardSigmoid", 6, "X:float", importHardSigmoid},
      {"HardSwish", 14, "X:float", importHardSwish},
      {"LeakyRelu", 6, "X:float", importLeakyRelu},
      {"Elu", 6, "X:float", importElu},
      {"Gelu", 1, "X:float", importBiasGelu<false>, nullptr, microsoftDomain},
      {"FastGelu", 1, "X:float bias:float?", importBiasGelu<true>, nullptr,
       microsoftDomain},
      {"BiasGelu", 1, "A:float B:float", importBiasGelu<false>, nullptr,
       microsoftDomain},
      {"QuickGelu", 1, "X:float", importQuickGelu, nullptr, microsoftDomain},
  };
  return table;
}

} // namespace fp8c
