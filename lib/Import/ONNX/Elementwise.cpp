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

template <typename Op> static LogicalResult importBinary(Node &node) {
  if (failed(checkBroadcast(node, {0, 1})))
    return failure();
  Value lhs = node.value(0), rhs = node.value(1);
  return node.yield(node.create<Op>(lhs, rhs));
}

/// Integers are divided as in C.
static LogicalResult importMod(Node &node) {
  bool isC = node.integer("fmod", 0) != 0;
  if (failed(checkBroadcast(node, {0, 1})))
    return failure();
  if (node.type(0).getElementType().isF32())
    return node.unsupported("takes the rest of floats known at run time");
  Value a = node.value(0), b = node.value(1);
  Value quotient = node.create<train::DivOp>(a, b);
  Value whole = node.create<train::MulOp>(quotient, b);
  Value rest = node.create<train::SubOp>(a, whole);
  if (isC)
    return node.yield(rest);
  // As in Python the rest has the sign of the divisor.
  auto type = cast<RankedTensorType>(rest.getType()).clone(ArrayRef<int64_t>());
  Value zero = node.materialize(Constant(type, std::vector<int64_t>{0}));
  Value isLow = node.create<train::CompareOp>(train::Predicate::lt, rest, zero);
  Value down = node.create<train::CompareOp>(train::Predicate::lt, b, zero);
  Value isRest =
      node.create<train::CompareOp>(train::Predicate::ne, rest, zero);
  Value differs = node.create<train::XorOp>(isLow, down);
  Value wraps = node.create<train::AndOp>(differs, isRest);
  Value moved = node.create<train::AddOp>(rest, b);
  return node.yield(node.create<train::SelectOp>(wraps, moved, rest));
}

/// The exponent alone may be of integers.
static LogicalResult importPow(Node &node) {
  const Constant *exponent = node.constant(1);
  if (!exponent && !node.type(1).getElementType().isF32())
    return node.unsupported("its exponent is of integers known at run time");
  if (!exponent || exponent->isFloat())
    return importBinary<train::PowOp>(node);
  if (!broadcastShapes(node.shape(0), exponent->shape()))
    return node.invalid(
        "has operands that do not broadcast: " + toString(node.shape(0)) +
        " and " + toString(exponent->shape()));
  Value base = node.value(0);
  Value floats =
      node.materialize(castConstant(*exponent, node.builder.getF32Type()));
  return node.yield(node.create<train::PowOp>(base, floats));
}

/// Any number of operands, from the first to the last.
template <typename Op> static LogicalResult importAll(Node &node) {
  if (node.numInputs() == 1)
    return node.forward(0);
  SmallVector<unsigned> inputs;
  for (unsigned i = 0; i < node.numInputs(); ++i)
    inputs.push_back(i);
  if (failed(checkBroadcast(node, inputs)))
    return failure();
  Value result = node.value(0);
  for (unsigned i = 1; i < node.numInputs(); ++i) {
    Value next = node.value(i);
    result = node.create<Op>(result, next);
  }
  return node.yield(result);
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

static LogicalResult importOldClip(Node &node) {
  Value x = node.value(0);
  if (std::optional<float> least = node.number("min"))
    x = node.create<train::MaximumOp>(x, node.scalar(*least));
  if (std::optional<float> most = node.number("max"))
    x = node.create<train::MinimumOp>(x, node.scalar(*most));
  return node.yield(x);
}

/// Between two scalars, of which either may be missing.
static LogicalResult importClip(Node &node) {
  for (unsigned i = 1; i < 3; ++i)
    if (node.has(i) &&
        (product(node.shape(i)) != 1 ||
         node.type(i).getElementType() != node.type(0).getElementType()))
      return node.invalid("needs bounds that are scalars of its data's type");
  auto bound = [&](unsigned i) { return node.reshape(node.value(i), {}); };
  Value x = node.value(0);
  if (node.has(1))
    x = node.create<train::MaximumOp>(x, bound(1));
  if (node.has(2))
    x = node.create<train::MinimumOp>(x, bound(2));
  return node.yield(x);
}

static LogicalResult foldClip(Node &node) {
  for (unsigned i = 1; i < 3; ++i)
    if (node.has(i) &&
        (node.constant(i)->size() != 1 ||
         node.type(i).getElementType() != node.type(0).getElementType()))
      return node.invalid("needs bounds that are scalars of its data's type");
  auto clip = [&](auto x, auto boundOf) {
    x = node.has(1) ? std::max(x, boundOf(1)) : x;
    return node.has(2) ? std::min(x, boundOf(2)) : x;
  };
  return foldUnary(
      node,
      [&](float x) {
        return clip(x,
                    [&](unsigned i) { return node.constant(i)->floats()[0]; });
      },
      [&](int64_t x) {
        return clip(x, [&](unsigned i) { return node.integers(i)[0]; });
      });
}

//===----------------------------------------------------------------------===//
// Operators that change nothing here
//===----------------------------------------------------------------------===//

static LogicalResult importIdentity(Node &node) { return node.forward(0); }

static LogicalResult convert(Node &node, Type element, const Twine &name) {
  if (const Constant *constant = node.constant(0))
    return node.yield(castConstant(*constant, element));
  if (!element.isF32() && !element.isSignlessInteger(64) &&
      !element.isSignlessInteger(32) && !element.isInteger(1))
    return node.unsupported("casts values known at run time to " + name);
  return node.yield(node.create<train::ConvertOp>(node.type(0).clone(element),
                                                  node.value(0)));
}

/// All floats are f32 until the recipe decides on their precision, so a cast
/// between them is none.
static LogicalResult castTo(Node &node, int32_t dataType) {
  Type element = importElementType(dataType, node.builder.getContext());
  if (!element)
    return node.unsupported("casts to " + onnxTypeName(dataType));
  if (element == node.type(0).getElementType())
    return node.forward(0);
  return convert(node, element, onnxTypeName(dataType));
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
  return convert(node, like, "this type");
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
      {"Add", 7, "A:number B:number", importBinary<train::AddOp>, foldAdd},
      {"Sub", 7, "A:number B:number", importBinary<train::SubOp>, foldSub},
      {"Mul", 7, "A:number B:number", importBinary<train::MulOp>, foldMul},
      {"Div", 7, "A:number B:number", importBinary<train::DivOp>, foldDiv},
      {"Pow", 7, "X:float Y:any", importPow, foldPow},
      {"Mod", 10, "A:number B:number", importMod, foldMod},
      {"Sum", 6, "inputs:float*", importAll<train::AddOp>, foldAdd},
      {"Mean", 6, "inputs:float*", importMean},
      {"Min", 6, "inputs:number*", importAll<train::MinimumOp>, foldMin},
      {"Max", 6, "inputs:number*", importAll<train::MaximumOp>, foldMax},
      {"Neg", 6, "X:number", importUnary<train::NegOp>, foldNeg},
      {"Abs", 6, "X:number", importUnary<train::AbsOp>, foldAbs},
      {"Sign", 9, "X:number", importUnary<train::SignOp>, foldSign},
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
      {"Sin", 7, "X:float", importUnary<train::SinOp>, foldFloat<std::sin>},
      {"Cos", 7, "X:float", importUnary<train::CosOp>, foldFloat<std::cos>},
      {"Floor", 6, "X:float", importUnary<train::FloorOp>,
       foldFloat<std::floor>},
      {"Ceil", 6, "X:float", importUnary<train::CeilOp>, foldFloat<std::ceil>},
      {"Round", 11, "X:float", importUnary<train::RoundOp>,
       foldFloat<roundToEven>},
      {"Clip", 6, "input:float", importOldClip},
      {"Clip", 11, "input:number min:number? max:number?", importClip,
       foldClip},
      {"Identity", 1, "X:any", importIdentity},
      {"Cast", 6, "X:any", importCast},
      {"CastLike", 15, "X:any target:any", importCastLike},
      {"Dropout", 7, "X:any", importOldDropout},
      {"Dropout", 12, "X:any ratio:any? training_mode:any?", importDropout},
  };
  return table;
}

} // namespace fp8c
