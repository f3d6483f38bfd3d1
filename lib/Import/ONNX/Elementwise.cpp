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

/// Any number of operands, from the first to the last.
template <typename Op> static LogicalResult importAll(Node &node) {
  if (node.numInputs() == 1)
    return node.forward(0);
  Value result = node.value(0);
  for (unsigned i = 1; i < node.numInputs(); ++i) {
    Value next = node.value(i);
    if (failed(createBinary<Op>(node, result, next)))
      return failure();
    result = node.result(0);
  }
  return success();
}

static LogicalResult importMean(Node &node) {
  if (node.numInputs() == 1)
    return node.forward(0);
  if (failed(importAll<train::AddOp>(node)))
    return failure();
  Value count = node.scalar(float(node.numInputs()));
  return node.yield(node.create<train::DivOp>(node.result(0), count));
}

//===----------------------------------------------------------------------===//
// Unary operators
//===----------------------------------------------------------------------===//

template <typename Op> static LogicalResult importUnary(Node &node) {
  return node.yield(node.create<Op>(node.value(0)));
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

/// Nothing is dropped out of a forward graph, unless it says so. Then its mask
/// is true everywhere: before opset 10 of the type of the data.
static LogicalResult forwardUndropped(Node &node) {
  constexpr int64_t maskIsBool = 10;
  std::optional<int64_t> count = countElements(node.shape(0));
  if (node.wants(1) && count && *count <= Constant::maxElements) {
    Type boolean = node.builder.getI1Type();
    Constant one(RankedTensorType::get({}, boolean), std::vector<int64_t>{1});
    if (node.opset < maskIsBool)
      one = castConstant(one, node.type(0).getElementType());
    (void)node.yield(one.broadcast(node.shape(0)), 1);
  }
  return node.forward(0);
}

/// Before opset 12 the model's mode decides, and this one is for inference.
static LogicalResult importOldDropout(Node &node) {
  node.ignore({"ratio"});
  return forwardUndropped(node);
}

static LogicalResult importDropout(Node &node) {
  node.ignore({"seed"});
  const Constant *ratio = node.constant(1), *training = node.constant(2);
  bool isIdle = ratio && ratio->size() == 1 && ratio->number(0) == 0;
  bool isInference = !node.has(2) || (training && training->size() == 1 &&
                                      training->number(0) == 0);
  if (!isIdle && !isInference)
    return node.unsupported("drops out: export the model for inference");
  return forwardUndropped(node);
}

static double roundToEven(double x) { return std::nearbyint(x); }
static double invert(double x) { return 1.0 / x; }
static double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }
static double relu(double x) { return x < 0 ? 0 : x; }

ArrayRef<Operator> elementwiseOperators() {
  static constexpr Operator table[] = {
      {"Add", 7, "A:float B:float", importBinary<train::AddOp>, foldAdd},
      {"Sub", 7, "A:float B:float", importBinary<train::SubOp>, foldSub},
      {"Mul", 7, "A:float B:float", importBinary<train::MulOp>, foldMul},
      {"Div", 7, "A:float B:float", importBinary<train::DivOp>, foldDiv},
      {"Pow", 7, "X:float Y:any", importPow, foldPow},
      {"Mod", 10, "A:float B:float", nullptr, foldMod},
      {"Sum", 6, "inputs:float*", importAll<train::AddOp>, foldAdd},
      {"Mean", 6, "inputs:float*", importMean},
      {"Min", 6, "inputs:float*", nullptr, foldMin},
      {"Max", 6, "inputs:float*", nullptr, foldMax},
      {"Neg", 6, "X:float", importUnary<train::NegOp>, foldNeg},
      {"Abs", 6, "X:float", importUnary<train::AbsOp>, foldAbs},
      {"Sign", 9, "X:float", nullptr, foldSign},
      {"Exp", 6, "X:float", importUnary<train::ExpOp>, foldFloat<std::exp>},
      {"Log", 6, "X:float", importUnary<train::LogOp>, foldFloat<std::log>},
      {"Sqrt", 6, "X:float", importUnary<train::SqrtOp>, foldFloat<std::sqrt>},
      {"Reciprocal", 6, "X:float", importUnary<train::ReciprocalOp>,
       foldFloat<invert>},
      {"Tanh", 6, "X:float", importUnary<train::TanhOp>, foldFloat<std::tanh>},
      {"Sigmoid", 6, "X:float", importUnary<train::SigmoidOp>,
       foldFloat<sigmoid>},
      {"Erf", 9, "X:float", importUnary<train::ErfOp>, foldFloat<std::erf>},
      {"Relu", 6, "X:float", importUnary<train::ReluOp>, foldFloat<relu>},
      {"Sin", 7, "X:float", nullptr, foldFloat<std::sin>},
      {"Cos", 7, "X:float", nullptr, foldFloat<std::cos>},
      {"Floor", 6, "X:float", nullptr, foldFloat<std::floor>},
      {"Ceil", 6, "X:float", nullptr, foldFloat<std::ceil>},
      {"Round", 11, "X:float", nullptr, foldFloat<roundToEven>},
      {"Identity", 1, "X:any", importIdentity},
      {"Cast", 6, "X:any", importCast},
      {"CastLike", 15, "X:any target:any", importCastLike},
      {"Dropout", 7, "X:any", importOldDropout},
      {"Dropout", 12, "X:any ratio:any? training_mode:any?", importDropout},
  };
  return table;
}

} // namespace fp8c
