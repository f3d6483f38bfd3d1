//===- Logic.cpp - Comparisons, conditions and choices --------------------===//

#include "Import/ONNX/ConstantMath.h"
#include "Import/ONNX/Operators.h"
#include "Train/IR/Train.h"

using namespace mlir;

namespace fp8c {

/// Results are booleans.
template <typename Relation> static LogicalResult foldComparison(Node &node) {
  const Constant &a = *node.constant(0), &b = *node.constant(1);
  std::optional<Shape> shape = commonShape(node, {&a, &b});
  if (!shape)
    return failure();
  Repeated x(a, *shape), y(b, *shape);
  auto relate = [](auto x, auto y) { return int64_t(Relation()(x, y)); };
  auto type = RankedTensorType::get(*shape, node.builder.getI1Type());
  return node.yield(Constant(
      type, a.isFloat() ? zipWith(x->floats(), y->floats(), relate)
                        : zipWith(x->integers(), y->integers(), relate)));
}

/// Operators that only know booleans.
template <typename Function> static LogicalResult foldLogic(Node &node) {
  for (unsigned i = 0; i < node.numInputs(); ++i)
    if (!node.type(i).getElementType().isInteger(1))
      return node.invalid("needs booleans");
  return foldAll(node, std::multiplies<float>(), Function());
}

static LogicalResult foldNot(Node &node) {
  if (!node.type(0).getElementType().isInteger(1))
    return node.invalid("needs booleans");
  return foldUnary(
      node, [](float x) { return x; }, [](int64_t x) { return int64_t(!x); });
}

template <typename Test>
static LogicalResult foldTest(Node &node, Test test) {
  if (!node.constant(0)->isFloat())
    return node.invalid("needs floats");
  std::vector<int64_t> elements;
  elements.reserve(node.constant(0)->size());
  for (float element : node.constant(0)->floats())
    elements.push_back(test(element));
  return node.yield(Constant(node.type(0).clone(node.builder.getI1Type()),
                             std::move(elements)));
}

static LogicalResult foldIsNaN(Node &node) {
  return foldTest(node, [](float x) { return std::isnan(x); });
}

static LogicalResult foldIsInf(Node &node) {
  bool positive = node.integer("detect_positive", 1) != 0;
  bool negative = node.integer("detect_negative", 1) != 0;
  return foldTest(node, [=](float x) {
    return std::isinf(x) && (x > 0 ? positive : negative);
  });
}

//===----------------------------------------------------------------------===//
// Where
//===----------------------------------------------------------------------===//

static LogicalResult foldWhere(Node &node) {
  const Constant &condition = *node.constant(0);
  const Constant &a = *node.constant(1), &b = *node.constant(2);
  std::optional<Shape> choices = commonShape(node, {&a, &b});
  if (!choices)
    return failure();
  std::optional<Shape> shape = broadcastShapes(condition.shape(), *choices);
  if (!shape || !condition.type().getElementType().isInteger(1))
    return node.invalid("needs a condition of booleans that broadcasts with "
                        "its choices");
  std::optional<int64_t> count = countElements(*shape);
  if (!count || *count > Constant::maxElements)
    return node.unsupported("its result is too large: " + toString(*shape));
  Repeated which(condition, *shape), x(a, *shape), y(b, *shape);
  auto choose = [&](auto x, auto y) {
    auto elements = y.vec();
    for (size_t i = 0; i < elements.size(); ++i)
      if (which->integers()[i])
        elements[i] = x[i];
    return Constant(a.type().clone(*shape), std::move(elements));
  };
  return node.yield(a.isFloat() ? choose(x->floats(), y->floats())
                                : choose(x->integers(), y->integers()));
}

ArrayRef<Operator> logicOperators() {
  static constexpr Operator table[] = {
      {"Equal", 7, "A:any B:any", nullptr, foldComparison<std::equal_to<>>},
      {"Less", 7, "A:any B:any", nullptr, foldComparison<std::less<>>},
      {"LessOrEqual", 12, "A:any B:any", nullptr,
       foldComparison<std::less_equal<>>},
      {"Greater", 7, "A:any B:any", nullptr, foldComparison<std::greater<>>},
      {"GreaterOrEqual", 12, "A:any B:any", nullptr,
       foldComparison<std::greater_equal<>>},
      {"And", 7, "A:any B:any", nullptr, foldLogic<std::bit_and<int64_t>>},
      {"Or", 7, "A:any B:any", nullptr, foldLogic<std::bit_or<int64_t>>},
      {"Xor", 7, "A:any B:any", nullptr, foldLogic<std::bit_xor<int64_t>>},
      {"Not", 1, "X:any", nullptr, foldNot},
      {"IsNaN", 9, "X:any", nullptr, foldIsNaN},
      {"IsInf", 10, "X:any", nullptr, foldIsInf},
      {"Where", 9, "condition:any X:any Y:any", nullptr, foldWhere},
  };
  return table;
}

} // namespace fp8c
