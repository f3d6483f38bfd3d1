//===- Elementwise.cpp - Operators on each element by itself --------------===//

#include "Import/ONNX/ConstantMath.h"
#include "Import/ONNX/Operators.h"
#include "Import/ONNX/Shapes.h"
#include "Import/ONNX/TensorData.h"
#include "Train/IR/Train.h"

using namespace mlir;

namespace fp8c {

//===----------------------------------------------------------------------===//
// Binary operators
//===----------------------------------------------------------------------===//

template <typename Op>
static LogicalResult createBinary(Node &node, Value lhs, Value rhs) {
  ArrayRef<int64_t> a = cast<RankedTensorType>(lhs.getType()).getShape();
  ArrayRef<int64_t> b = cast<RankedTensorType>(rhs.getType()).getShape();
  if (!broadcastShapes(a, b))
    return node.invalid("has operands that do not broadcast: " + toString(a) +
                        " and " + toString(b));
  return node.yield(node.create<Op>(lhs, rhs));
}

template <typename Op> static LogicalResult importBinary(Node &node) {
  return createBinary<Op>(node, node.value(0), node.value(1));
}

/// The exponent alone may be of integers.
static LogicalResult importPow(Node &node) {
  const Constant *exponent = node.constant(1);
  if (!exponent && !node.type(1).getElementType().isF32())
    return node.unsupported("its exponent is of integers known at run time");
  if (!exponent || exponent->isFloat())
    return importBinary<train::PowOp>(node);
  std::vector<float> numbers(exponent->integers().begin(),
                             exponent->integers().end());
  auto type = exponent->type().clone(node.builder.getF32Type());
  Value floats = node.materialize(Constant(type, std::move(numbers)));
  return createBinary<train::PowOp>(node, node.value(0), floats);
}

/// Sum takes any number of operands.
static LogicalResult importSum(Node &node) {
  if (node.numInputs() == 1)
    return node.forward(0);
  Value sum = node.value(0);
  for (unsigned i = 1; i < node.numInputs(); ++i) {
    Value next = node.value(i);
    if (failed(createBinary<train::AddOp>(node, sum, next)))
      return failure();
    sum = node.result(0);
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Unary operators
//===----------------------------------------------------------------------===//

template <typename Op> static LogicalResult importUnary(Node &node) {
  return node.yield(node.create<Op>(node.value(0)));
}

static LogicalResult importGelu(Node &node) {
  std::string approximate = node.string("approximate").value_or("none");
  if (approximate != "none" && approximate != "tanh")
    return node.invalid("knows no approximation '" + approximate + "'");
  return node.yield(node.create<train::GeluOp>(node.type(0), node.value(0),
                                               approximate == "tanh"));
}

/// x * sigmoid(alpha * x)
static LogicalResult importSwish(Node &node) {
  float alpha = node.number("alpha", 1.0f);
  Value x = node.value(0), inner = x;
  if (alpha != 1.0f)
    inner = node.create<train::MulOp>(x, node.scalar(alpha));
  Value gate = node.create<train::SigmoidOp>(inner);
  return node.yield(node.create<train::MulOp>(x, gate));
}

//===----------------------------------------------------------------------===//
// Operators that change nothing here
//===----------------------------------------------------------------------===//

static LogicalResult importIdentity(Node &node) { return node.forward(0); }

/// All floats are f32 until the recipe decides on their precision, so a cast
/// between them is none. Integers are only converted where they are known.
static LogicalResult castTo(Node &node, int32_t dataType) {
  Type element = importElementType(dataType, node.builder.getContext());
  if (!element)
    return node.unsupported("casts to " + onnxTypeName(dataType));
  if (element == node.type(0).getElementType())
    return node.forward(0);
  if (const Constant *constant = node.constant(0))
    return node.yield(castConstant(*constant, element));
  return node.unsupported("casts values known at run time to " +
                          onnxTypeName(dataType));
}

static LogicalResult importCast(Node &node) {
  node.ignore({"saturate", "round_mode"});
  std::optional<int64_t> to = node.integer("to");
  if (!to)
    return node.invalid("lacks its attribute 'to'");
  return castTo(node, int32_t(*to));
}

static LogicalResult importCastLike(Node &node) {
  node.ignore({"saturate", "round_mode"});
  Type like = node.type(1).getElementType();
  if (like == node.type(0).getElementType())
    return node.forward(0);
  if (const Constant *constant = node.constant(0))
    return node.yield(castConstant(*constant, like));
  return node.unsupported("casts values known at run time");
}

/// Nothing is dropped out of a forward graph, unless it says so.
static LogicalResult importDropout(Node &node) {
  node.ignore({"seed"});
  const Constant *ratio = node.constant(1), *training = node.constant(2);
  bool isIdle = ratio && ratio->size() == 1 && ratio->number(0) == 0;
  bool isInference = !node.has(2) || (training && training->size() == 1 &&
                                      training->number(0) == 0);
  if (!isIdle && !isInference)
    return node.unsupported("drops out: export the model for inference");
  return node.forward(0);
}

ArrayRef<Operator> elementwiseOperators() {
  static constexpr Operator table[] = {
      {"Add", 7, "A:float B:float", importBinary<train::AddOp>, foldAdd},
      {"Sub", 7, "A:float B:float", importBinary<train::SubOp>, foldSub},
      {"Mul", 7, "A:float B:float", importBinary<train::MulOp>, foldMul},
      {"Div", 7, "A:float B:float", importBinary<train::DivOp>, foldDiv},
      {"Pow", 13, "X:float Y:any", importPow, foldPow},
      {"Sum", 13, "inputs:float*", importSum},
      {"Neg", 13, "X:float", importUnary<train::NegOp>, foldNeg},
      {"Abs", 13, "X:float", importUnary<train::AbsOp>, foldAbs},
      {"Exp", 13, "X:float", importUnary<train::ExpOp>, foldExp},
      {"Log", 13, "X:float", importUnary<train::LogOp>, foldLog},
      {"Sqrt", 13, "X:float", importUnary<train::SqrtOp>, foldSqrt},
      {"Reciprocal", 13, "X:float", importUnary<train::ReciprocalOp>,
       foldReciprocal},
      {"Tanh", 13, "X:float", importUnary<train::TanhOp>},
      {"Sigmoid", 13, "X:float", importUnary<train::SigmoidOp>},
      {"Erf", 13, "X:float", importUnary<train::ErfOp>},
      {"Relu", 13, "X:float", importUnary<train::ReluOp>},
      {"Gelu", 20, "X:float", importGelu},
      {"Swish", 24, "X:float", importSwish},
      {"Identity", 13, "X:any", importIdentity},
      {"Cast", 13, "X:any", importCast},
      {"CastLike", 15, "X:any target:any", importCastLike},
      {"Dropout", 13, "X:any ratio:any? training_mode:any?", importDropout},
  };
  return table;
}

} // namespace fp8c
