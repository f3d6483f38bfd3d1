//===- ConstantMath.cpp - Operators on known elements ---------------------===//

#include "Import/ONNX/ConstantMath.h"

#include "Import/ONNX/Operators.h"
#include "Import/ONNX/Shapes.h"

#include <cmath>

using namespace mlir;

namespace fp8c {

//===----------------------------------------------------------------------===//
// Elements
//===----------------------------------------------------------------------===//

/// The number that the low bits of `value` stand for in the type.
static int64_t wrap(int64_t value, Type element) {
  unsigned width = element.getIntOrFloatBitWidth();
  if (width == 1)
    return value & 1;
  if (width == 64)
    return value;
  llvm::APInt bits = llvm::APInt(64, value).trunc(width);
  return element.isUnsignedInteger() ? bits.getZExtValue()
                                     : bits.getSExtValue();
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

Constant castConstant(const Constant &constant, Type element) {
  RankedTensorType type = constant.type().clone(element);
  auto convert = [&](auto toElement) {
    std::vector<decltype(toElement(0.0))> elements;
    for (int64_t i = 0; i < constant.size(); ++i)
      elements.push_back(constant.isFloat()
                             ? toElement(constant.floats()[i])
                             : toElement(constant.integers()[i]));
    return Constant(type, std::move(elements));
  };
  if (element.isF32())
    return convert([](auto number) { return float(number); });
  if (element.isInteger(1))
    return convert([](auto number) { return int64_t(number != 0); });
  return convert([&](auto number) {
    if constexpr (std::is_floating_point_v<decltype(number)>)
      return wrap(truncate(number), element);
    else
      return wrap(number, element);
  });
}

/// Integers wrap around.
static int64_t addWrapping(int64_t a, int64_t b) {
  return int64_t(uint64_t(a) + uint64_t(b));
}
static int64_t mulWrapping(int64_t a, int64_t b) {
  return int64_t(uint64_t(a) * uint64_t(b));
}

static int64_t divide(int64_t a, int64_t b) {
  return b == -1 ? mulWrapping(a, -1) : a / b;
}

/// The remainder has the sign of the divisor, as in Python.
static int64_t modulo(int64_t a, int64_t b) {
  if (b == -1)
    return 0;
  int64_t rest = a % b;
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
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

//===----------------------------------------------------------------------===//
// Element-wise
//===----------------------------------------------------------------------===//

namespace {
/// Two inputs of one element type, repeated to one shape.
struct Operands {
  Constant a, b;
};
} // namespace

static std::optional<Operands> readOperands(Node &node, const Constant &a,
                                            const Constant &b) {
  std::optional<Shape> shape = broadcastShapes(a.shape(), b.shape());
  if (!shape) {
    (void)node.invalid("has operands that do not broadcast: " +
                       toString(a.shape()) + " and " + toString(b.shape()));
    return std::nullopt;
  }
  if (a.type().getElementType() != b.type().getElementType()) {
    (void)node.invalid("has operands of different element types");
    return std::nullopt;
  }
  std::optional<int64_t> count = countElements(*shape);
  if (!count || *count > Constant::maxElements) {
    (void)node.unsupported("its result is too large: " + toString(*shape));
    return std::nullopt;
  }
  return Operands{a.broadcast(*shape), b.broadcast(*shape)};
}

template <typename T, typename Function>
static std::vector<T> zipWith(ArrayRef<T> a, ArrayRef<T> b, Function function) {
  std::vector<T> result;
  for (auto [x, y] : llvm::zip_equal(a, b))
    result.push_back(function(x, y));
  return result;
}

template <typename OnFloats, typename OnIntegers>
static LogicalResult foldBinary(Node &node, OnFloats onFloats,
                                OnIntegers onIntegers) {
  auto operands = readOperands(node, *node.constant(0), *node.constant(1));
  if (!operands)
    return failure();
  const auto &[a, b] = *operands;
  if (a.isFloat())
    return node.yield(
        Constant(a.type(), zipWith(a.floats(), b.floats(), onFloats)));
  Type element = a.type().getElementType();
  return node.yield(Constant(
      a.type(), zipWith(a.integers(), b.integers(), [&](int64_t x, int64_t y) {
        return wrap(onIntegers(x, y), element);
      })));
}

static bool hasZero(const Constant &constant) {
  return !constant.isFloat() && llvm::is_contained(constant.integers(), 0);
}

LogicalResult foldAdd(Node &node) {
  return foldBinary(node, std::plus<float>(), addWrapping);
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

static LogicalResult foldMod(Node &node) {
  if (node.integer("fmod", 0) != 0)
    return node.unsupported("computes C's fmod");
  if (hasZero(*node.constant(1)))
    return node.invalid("divides an integer by zero");
  auto onFloats = [](float a, float b) {
    float rest = std::fmod(a, b);
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
  };
  return foldBinary(node, onFloats, modulo);
}

/// The result has the type of the base, whatever the exponent's.
LogicalResult foldPow(Node &node) {
  const Constant &base = *node.constant(0);
  if (base.isFloat()) {
    auto operands = readOperands(
        node, base,
        castConstant(*node.constant(1), base.type().getElementType()));
    if (!operands)
      return failure();
    auto pow = [](float a, float b) { return std::pow(a, b); };
    return node.yield(
        Constant(operands->a.type(),
                 zipWith(operands->a.floats(), operands->b.floats(), pow)));
  }
  if (node.constant(1)->isFloat())
    return node.unsupported("raises an integer to a power of float");
  return foldBinary(node, std::plus<float>(), power);
}

static LogicalResult foldMin(Node &node) {
  if (node.numInputs() != 2)
    return node.unsupported("does not have two inputs");
  return foldBinary(
      node, [](float a, float b) { return std::min(a, b); },
      [](int64_t a, int64_t b) { return std::min(a, b); });
}

static LogicalResult foldMax(Node &node) {
  if (node.numInputs() != 2)
    return node.unsupported("does not have two inputs");
  return foldBinary(
      node, [](float a, float b) { return std::max(a, b); },
      [](int64_t a, int64_t b) { return std::max(a, b); });
}

static LogicalResult foldAnd(Node &node) {
  return foldBinary(node, std::multiplies<float>(), std::bit_and<int64_t>());
}
static LogicalResult foldOr(Node &node) {
  return foldBinary(node, std::multiplies<float>(), std::bit_or<int64_t>());
}

/// Results are booleans.
template <typename Relation> static LogicalResult foldComparison(Node &node) {
  auto operands = readOperands(node, *node.constant(0), *node.constant(1));
  if (!operands)
    return failure();
  std::vector<int64_t> elements;
  for (int64_t i = 0; i < operands->a.size(); ++i)
    elements.push_back(
        operands->a.isFloat()
            ? Relation()(operands->a.floats()[i], operands->b.floats()[i])
            : Relation()(operands->a.integers()[i], operands->b.integers()[i]));
  return node.yield(Constant(operands->a.type().clone(node.builder.getI1Type()),
                             std::move(elements)));
}

template <typename OnFloats, typename OnIntegers>
static LogicalResult foldUnary(Node &node, OnFloats onFloats,
                               OnIntegers onIntegers) {
  const Constant &x = *node.constant(0);
  if (x.isFloat()) {
    std::vector<float> elements;
    for (float element : x.floats())
      elements.push_back(float(onFloats(element)));
    return node.yield(Constant(x.type(), std::move(elements)));
  }
  std::vector<int64_t> elements;
  for (int64_t element : x.integers())
    elements.push_back(wrap(onIntegers(element), x.type().getElementType()));
  return node.yield(Constant(x.type(), std::move(elements)));
}

/// For functions that ONNX knows on floats only.
template <typename OnFloats>
static LogicalResult foldFloat(Node &node, OnFloats onFloats) {
  if (!node.constant(0)->isFloat())
    return node.invalid("needs floats");
  return foldUnary(node, onFloats, [](int64_t x) { return x; });
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
static LogicalResult foldNot(Node &node) {
  return foldUnary(
      node, [](float x) { return x; }, [](int64_t x) { return int64_t(!x); });
}
LogicalResult foldExp(Node &node) {
  return foldFloat(node, [](double x) { return std::exp(x); });
}
LogicalResult foldLog(Node &node) {
  return foldFloat(node, [](double x) { return std::log(x); });
}
LogicalResult foldSqrt(Node &node) {
  return foldFloat(node, [](double x) { return std::sqrt(x); });
}
LogicalResult foldReciprocal(Node &node) {
  return foldFloat(node, [](float x) { return 1.0f / x; });
}
static LogicalResult foldCos(Node &node) {
  return foldFloat(node, [](double x) { return std::cos(x); });
}
static LogicalResult foldSin(Node &node) {
  return foldFloat(node, [](double x) { return std::sin(x); });
}
static LogicalResult foldFloor(Node &node) {
  return foldFloat(node, [](double x) { return std::floor(x); });
}
static LogicalResult foldCeil(Node &node) {
  return foldFloat(node, [](double x) { return std::ceil(x); });
}

//===----------------------------------------------------------------------===//
// Others
//===----------------------------------------------------------------------===//

static LogicalResult foldWhere(Node &node) {
  const Constant &condition = *node.constant(0);
  auto choices = readOperands(node, *node.constant(1), *node.constant(2));
  if (!choices)
    return failure();
  std::optional<Shape> shape =
      broadcastShapes(condition.shape(), choices->a.shape());
  if (!shape || condition.isFloat())
    return node.invalid("needs a condition of booleans that broadcasts with "
                        "its choices");
  std::optional<int64_t> count = countElements(*shape);
  if (!count || *count > Constant::maxElements)
    return node.unsupported("its result is too large: " + toString(*shape));
  Constant which = condition.broadcast(*shape);
  Constant a = choices->a.broadcast(*shape), b = choices->b.broadcast(*shape);
  auto choose = [&](auto x, auto y) {
    std::decay_t<decltype(x.vec())> elements;
    for (int64_t i = 0; i < which.size(); ++i)
      elements.push_back(which.integers()[i] ? x[i] : y[i]);
    return Constant(a.type(), std::move(elements));
  };
  return node.yield(a.isFloat() ? choose(a.floats(), b.floats())
                                : choose(a.integers(), b.integers()));
}

static LogicalResult foldRange(Node &node) {
  node.ignore({"stash_type"});
  for (unsigned i = 0; i < 3; ++i)
    if (node.constant(i)->size() != 1 ||
        node.type(i).getElementType() != node.type(0).getElementType())
      return node.invalid("needs three scalars of one type");
  double start = node.constant(0)->number(0);
  double limit = node.constant(1)->number(0);
  double delta = node.constant(2)->number(0);
  if (delta == 0)
    return node.invalid("has a step of 0");
  double count = std::max(std::ceil((limit - start) / delta), 0.0);
  if (!(count <= double(Constant::maxElements)))
    return node.unsupported("its result is too large");
  auto fill = [&](auto first, auto step) {
    std::vector<decltype(first)> elements;
    for (int64_t i = 0; i < int64_t(count); ++i)
      elements.push_back(decltype(first)(first + i * step));
    auto type = RankedTensorType::get(int64_t(elements.size()),
                                      node.type(0).getElementType());
    return Constant(type, std::move(elements));
  };
  if (node.constant(0)->isFloat())
    return node.yield(fill(float(start), float(delta)));
  return node.yield(fill(node.integers(0)[0], node.integers(2)[0]));
}

/// Keeps one triangle of matrices and clears the other.
static LogicalResult foldTrilu(Node &node) {
  const Constant &input = *node.constant(0);
  bool isUpper = node.integer("upper", 1) != 0;
  int64_t rank = node.rank(0);
  if (rank < 2 || (node.has(1) && (node.constant(1)->isFloat() ||
                                   node.constant(1)->size() != 1)))
    return node.invalid("needs matrices and a single diagonal");
  int64_t diagonal = node.has(1) ? node.integers(1)[0] : 0;
  int64_t rows = input.shape()[rank - 2], columns = input.shape()[rank - 1];
  diagonal = std::clamp(diagonal, -rows, columns);
  auto clear = [&](auto elements) {
    auto kept = elements.vec();
    for (size_t i = 0; i < kept.size(); ++i) {
      int64_t row = i / columns % rows, column = i % columns;
      bool isKept =
          isUpper ? column - row >= diagonal : column - row <= diagonal;
      kept[i] = isKept ? kept[i] : 0;
    }
    return Constant(input.type(), std::move(kept));
  };
  return node.yield(input.isFloat() ? clear(input.floats())
                                    : clear(input.integers()));
}

ArrayRef<Operator> constantOperators() {
  static constexpr Operator table[] = {
      {"Mod", 13, "A:float B:float", nullptr, foldMod},
      {"Min", 13, "data:float*", nullptr, foldMin},
      {"Max", 13, "data:float*", nullptr, foldMax},
      {"And", 7, "A:any B:any", nullptr, foldAnd},
      {"Or", 7, "A:any B:any", nullptr, foldOr},
      {"Not", 1, "X:any", nullptr, foldNot},
      {"Equal", 13, "A:any B:any", nullptr, foldComparison<std::equal_to<>>},
      {"Less", 13, "A:any B:any", nullptr, foldComparison<std::less<>>},
      {"LessOrEqual", 12, "A:any B:any", nullptr,
       foldComparison<std::less_equal<>>},
      {"Greater", 13, "A:any B:any", nullptr, foldComparison<std::greater<>>},
      {"GreaterOrEqual", 12, "A:any B:any", nullptr,
       foldComparison<std::greater_equal<>>},
      {"Where", 9, "condition:any X:any Y:any", nullptr, foldWhere},
      {"Range", 11, "start:any limit:any delta:any", nullptr, foldRange},
      {"Trilu", 14, "input:any k:any?", nullptr, foldTrilu},
      {"Cos", 7, "X:any", nullptr, foldCos},
      {"Sin", 7, "X:any", nullptr, foldSin},
      {"Floor", 13, "X:any", nullptr, foldFloor},
      {"Ceil", 13, "X:any", nullptr, foldCeil},
  };
  return table;
}

} // namespace fp8c
