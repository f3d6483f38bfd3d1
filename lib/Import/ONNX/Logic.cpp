//===- Logic.cpp - Comparisons, conditions and choices --------------------===//

#include "Import/ONNX/ConstantMath.h"
#include "Import/ONNX/Operators.h"
#include "Train/IR/Train.h"
#include "mlir/IR/Matchers.h"

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

template <typename Test> static LogicalResult foldTest(Node &node, Test test) {
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
// At run time
//===----------------------------------------------------------------------===//

template <train::Predicate predicate>
static LogicalResult importComparison(Node &node) {
  if (failed(checkBroadcast(node, {0, 1})))
    return failure();
  Value a = node.value(0), b = node.value(1);
  return node.yield(node.create<train::CompareOp>(predicate, a, b));
}

template <typename Op> static LogicalResult importLogic(Node &node) {
  if (failed(checkBroadcast(node, {0, 1})))
    return failure();
  Value a = node.value(0), b = node.value(1);
  return node.yield(node.create<Op>(a, b));
}

static LogicalResult importNot(Node &node) {
  return node.yield(node.create<train::NotOp>(node.type(0), node.value(0)));
}

static LogicalResult importIsNaN(Node &node) {
  Value x = node.value(0);
  return node.yield(node.create<train::CompareOp>(train::Predicate::ne, x, x));
}

static LogicalResult importIsInf(Node &node) {
  bool positive = node.integer("detect_positive", 1) != 0;
  bool negative = node.integer("detect_negative", 1) != 0;
  Value x = node.value(0);
  if (positive && negative)
    x = node.create<train::AbsOp>(x);
  else if (negative)
    x = node.create<train::NegOp>(x);
  // Nothing is above infinity.
  Value infinity = node.scalar(HUGE_VALF);
  return node.yield(node.create<train::CompareOp>(
      positive || negative ? train::Predicate::eq : train::Predicate::gt, x,
      infinity));
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

/// Whether each row of the constant has an element that is not -inf.
static bool seesInEachRow(Value value) {
  DenseFPElementsAttr numbers;
  if (!matchPattern(value, m_Constant(&numbers)))
    return false;
  ArrayRef<int64_t> shape = numbers.getType().getShape();
  int64_t size = shape.empty() ? 1 : shape.back();
  bool sees = false;
  for (auto [i, number] : llvm::enumerate(numbers.getValues<float>())) {
    sees = (i % size != 0 && sees) || number > -HUGE_VALF;
    if (int64_t(i % size) == size - 1 && !sees)
      return false;
  }
  return true;
}

/// Exporters guard a softmax of masked scores against rows that see nothing,
/// where(isnan(p), 0, p). Where the mask is known to have none, the guarded
/// value is the softmax itself.
static bool isIdleGuard(Value condition, Value replacement, Value value) {
  auto isNaN = condition.getDefiningOp<train::CompareOp>();
  auto softmax = value.getDefiningOp<train::SoftmaxOp>();
  if (!isNaN || isNaN.getPredicate() != train::Predicate::ne ||
      isNaN.getLhs() != value || isNaN.getRhs() != value || !softmax ||
      !matchPattern(replacement, m_AnyZeroFloat()))
    return false;
  auto sum = softmax.getInput().getDefiningOp<train::AddOp>();
  return sum && (seesInEachRow(sum.getLhs()) || seesInEachRow(sum.getRhs()));
}

static LogicalResult importWhere(Node &node) {
  if (!node.type(0).getElementType().isInteger(1))
    return node.invalid("needs a condition of booleans");
  if (failed(checkBroadcast(node, {1, 2})))
    return failure();
  Shape choices = *broadcastShapes(node.shape(1), node.shape(2));
  if (!broadcastShapes(node.shape(0), choices))
    return node.invalid("has a condition " + toString(node.shape(0)) +
                        " that does not broadcast with its choices " +
                        toString(choices));
  Value condition = node.value(0), a = node.value(1), b = node.value(2);
  if (isIdleGuard(condition, a, b))
    return node.yield(b);
  return node.yield(node.create<train::SelectOp>(condition, a, b));
}

//===----------------------------------------------------------------------===//
// If
//===----------------------------------------------------------------------===//

/// Only the branch that is taken is imported.
static LogicalResult importIf(Node &node) {
  const Constant *condition = node.constant(0);
  const onnx::GraphProto *branches[] = {node.graph("else_branch"),
                                        node.graph("then_branch")};
  if (!condition)
    return node.unsupported("its condition is only known at run time");
  if (condition->size() != 1)
    return node.invalid("needs a single condition");
  const onnx::GraphProto *taken = branches[condition->number(0) != 0];
  return taken ? node.yieldGraph(*taken)
               : node.invalid("lacks the branch that it takes");
}

ArrayRef<Operator> logicOperators() {
  using train::Predicate;
  static constexpr Operator table[] = {
      {"Equal", 7, "A:element B:element", importComparison<Predicate::eq>,
       foldComparison<std::equal_to<>>},
      {"Less", 7, "A:element B:element", importComparison<Predicate::lt>,
       foldComparison<std::less<>>},
      {"LessOrEqual", 12, "A:element B:element",
       importComparison<Predicate::le>, foldComparison<std::less_equal<>>},
      {"Greater", 7, "A:element B:element", importComparison<Predicate::gt>,
       foldComparison<std::greater<>>},
      {"GreaterOrEqual", 12, "A:element B:element",
       importComparison<Predicate::ge>, foldComparison<std::greater_equal<>>},
      {"And", 7, "A:bool B:bool", importLogic<train::AndOp>,
       foldLogic<std::bit_and<int64_t>>},
      {"Or", 7, "A:bool B:bool", importLogic<train::OrOp>,
       foldLogic<std::bit_or<int64_t>>},
      {"Xor", 7, "A:bool B:bool", importLogic<train::XorOp>,
       foldLogic<std::bit_xor<int64_t>>},
      {"Not", 1, "X:bool", importNot, foldNot},
      {"IsNaN", 9, "X:float", importIsNaN, foldIsNaN},
      {"IsInf", 10, "X:float", importIsInf, foldIsInf},
      {"Where", 9, "condition:bool X:element Y:element", importWhere,
       foldWhere},
      {"If", 1, "cond:bool", importIf},
  };
  return table;
}

} // namespace fp8c
