//===- ConstantMath.cpp - Operators on known elements ---------------------===//

#include "Import/ONNX/ConstantMath.h"

using namespace mlir;

namespace fp8c {

int64_t wrapInteger(int64_t value, Type element) {
  unsigned width = element.getIntOrFloatBitWidth();
  if (width == 1)
    return value & 1;
  if (width == 64)
    return value;
  int64_t low = value & ((int64_t(1) << width) - 1);
  return element.isUnsignedInteger() ? low : llvm::SignExtend64(low, width);
}

/// Truncation, with what is out of range at its end.
static int64_t truncate(double number) {
  constexpr double limit = 9223372036854775808.0; // 2^63
  if (std::isnan(number))
    return 0;
  if (number >= limit)
    return INT64_MAX;
  return number < -limit ? INT64_MIN : int64_t(number);
}

Constant roundTo(const Constant &floats, Type element, bool saturates) {
  const llvm::fltSemantics &format =
      cast<FloatType>(element).getFloatSemantics();
  float largest = llvm::APFloat::getLargest(format).convertToFloat();
  std::vector<float> rounded;
  rounded.reserve(floats.size());
  for (float number : floats.floats()) {
    if (saturates && std::fabs(number) > largest)
      number = std::copysign(largest, number);
    llvm::APFloat value(number);
    bool losesInfo;
    value.convert(format, llvm::APFloat::rmNearestTiesToEven, &losesInfo);
    rounded.push_back(value.convertToFloat());
  }
  return Constant(floats.type().clone(element), std::move(rounded));
}

Constant castConstant(const Constant &constant, Type element) {
  RankedTensorType type = constant.type().clone(element);
  auto convert = [&](auto toElement) {
    std::vector<decltype(toElement(0.0))> elements;
    elements.reserve(constant.size());
    for (int64_t i = 0; i < constant.size(); ++i)
      elements.push_back(constant.isFloat()
                             ? toElement(constant.floats()[i])
                             : toElement(constant.integers()[i]));
    return Constant(type, std::move(elements));
  };
  if (isa<FloatType>(element)) {
    type = constant.type().clone(Float32Type::get(element.getContext()));
    Constant floats = convert([](auto number) { return float(number); });
    return element.isF32() ? floats : roundTo(floats, element, true);
  }
  if (element.isInteger(1))
    return convert([](auto number) { return int64_t(number != 0); });
  return convert([&](auto number) {
    if constexpr (std::is_floating_point_v<decltype(number)>)
      return wrapInteger(truncate(number), element);
    else
      return wrapInteger(number, element);
  });
}

static int64_t divide(int64_t a, int64_t b) {
  return b == -1 ? mulWrapping(a, -1) : a / b;
}

static int64_t power(int64_t base, int64_t exponent) {
  if (exponent < 0)
    return base == 1 ? 1 : base == -1 ? (exponent % 2 ? -1 : 1) : 0;
  int64_t result = 1;
  for (; exponent; exponent >>= 1, base = mulWrapping(base, base))
    if (exponent & 1)
      result = mulWrapping(result, base);
  return result;
}

std::optional<Shape> commonShape(Node &node,
                                 ArrayRef<const Constant *> constants) {
  Shape shape(constants.front()->shape());
  for (const Constant *constant : constants.drop_front()) {
    std::optional<Shape> wider = broadcastShapes(shape, constant->shape());
    if (!wider) {
      (void)node.invalid(
          "has operands that do not broadcast: " + toString(shape) + " and " +
          toString(constant->shape()));
      return std::nullopt;
    }
    if (constant->type().getElementType() !=
        constants.front()->type().getElementType()) {
      (void)node.invalid("has operands of different element types");
      return std::nullopt;
    }
    shape = *wider;
  }
  std::optional<int64_t> count = countElements(shape);
  if (!count || *count > Constant::maxElements) {
    (void)node.unsupported("its result is too large: " + toString(shape));
    return std::nullopt;
  }
  return shape;
}

static bool hasZero(const Constant &constant) {
  return !constant.isFloat() && llvm::is_contained(constant.integers(), 0);
}

template <typename OnFloats, typename OnIntegers>
static LogicalResult foldBinary(Node &node, OnFloats onFloats,
                                OnIntegers onIntegers) {
  return foldPair(node, *node.constant(0), *node.constant(1), onFloats,
                  onIntegers);
}

LogicalResult foldAdd(Node &node) {
  return foldAll(node, std::plus<float>(), addWrapping);
}
LogicalResult foldSub(Node &node) {
  return foldBinary(node, std::minus<float>(), [](int64_t a, int64_t b) {
    return addWrapping(a, mulWrapping(b, -1));
  });
}
LogicalResult foldMul(Node &node) {
  return foldBinary(node, std::multiplies<float>(), mulWrapping);
}
LogicalResult foldDiv(Node &node) {
  if (hasZero(*node.constant(1)))
    return node.invalid("divides an integer by zero");
  return foldBinary(node, std::divides<float>(), divide);
}

/// The rest has the sign of the divisor, as in Python, or with `fmod` that of
/// the dividend, as in C.
LogicalResult foldMod(Node &node) {
  bool isC = node.integer("fmod", 0) != 0;
  if (hasZero(*node.constant(1)))
    return node.invalid("divides an integer by zero");
  auto onFloats = [&](float a, float b) {
    float rest = std::fmod(a, b);
    bool differs = rest != 0 && (rest < 0) != (b < 0);
    return differs && !isC ? rest + b : rest;
  };
  auto onIntegers = [&](int64_t a, int64_t b) {
    int64_t rest = b == -1 ? 0 : a % b;
    bool differs = rest != 0 && (rest < 0) != (b < 0);
    return differs && !isC ? rest + b : rest;
  };
  return foldBinary(node, onFloats, onIntegers);
}

/// The result has the type of the base, whatever the exponent's.
LogicalResult foldPow(Node &node) {
  const Constant &base = *node.constant(0), &exponent = *node.constant(1);
  if (!base.isFloat() && exponent.isFloat())
    return node.unsupported("raises an integer to a power of float");
  auto pow = [](float a, float b) { return std::pow(a, b); };
  return foldPair(node, base,
                  castConstant(exponent, base.type().getElementType()), pow,
                  power);
}

/// A NaN among the operands is the result.
LogicalResult foldMin(Node &node) {
  return foldAll(
      node, [](float a, float b) { return std::isnan(a) || a < b ? a : b; },
      [](int64_t a, int64_t b) { return std::min(a, b); });
}
LogicalResult foldMax(Node &node) {
  return foldAll(
      node, [](float a, float b) { return std::isnan(a) || a > b ? a : b; },
      [](int64_t a, int64_t b) { return std::max(a, b); });
}

LogicalResult foldNeg(Node &node) {
  return foldUnary(node, std::negate<float>(),
                   [](int64_t x) { return mulWrapping(x, -1); });
}
LogicalResult foldAbs(Node &node) {
  return foldUnary(
      node, [](float x) { return std::fabs(x); },
      [](int64_t x) { return x < 0 ? mulWrapping(x, -1) : x; });
}
LogicalResult foldSign(Node &node) {
  return foldUnary(
      node, [](float x) { return x > 0   ? 1.0f
                                 : x < 0 ? -1.0f
                                         : x; },
      [](int64_t x) { return int64_t(x > 0) - int64_t(x < 0); });
}

} // namespace fp8c
