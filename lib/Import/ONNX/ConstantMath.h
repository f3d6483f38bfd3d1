//===- ConstantMath.h - Operators on known elements -------------*- C++ -*-===//
//
// Exporters compute shapes, positions and masks with nodes. Where the elements
// of all inputs are known these handlers compute the result.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_IMPORT_ONNX_CONSTANTMATH_H
#define FP8C_IMPORT_ONNX_CONSTANTMATH_H

#include "Import/ONNX/Node.h"
#include "Import/ONNX/Shapes.h"

#include <cmath>
#include <functional>

namespace fp8c {

/// Converts as ONNX's Cast: floats to integers by truncation, anything but 0 to
/// true, integers to narrower ones by dropping bits. Floats go to FP8 by
/// rounding, and what is too large to the largest number.
Constant castConstant(const Constant &constant, mlir::Type element);

/// Floats rounded to FP8, ties to even; what is too large becomes the largest
/// number, or without `saturates` what the format has for it, infinity or NaN.
Constant roundTo(const Constant &floats, mlir::Type element, bool saturates);

/// The number that the low bits of `value` stand for in the type.
int64_t wrapInteger(int64_t value, mlir::Type element);

/// Integers wrap around.
inline int64_t addWrapping(int64_t a, int64_t b) {
  return int64_t(uint64_t(a) + uint64_t(b));
}
inline int64_t mulWrapping(int64_t a, int64_t b) {
  return int64_t(uint64_t(a) * uint64_t(b));
}

/// The shape that constants of one element type broadcast to together; none,
/// with an error of the node, where they do not or it is too large.
std::optional<Shape> commonShape(Node &node,
                                 llvm::ArrayRef<const Constant *> constants);

/// A constant repeated to a shape, or itself where it has that.
class Repeated {
public:
  Repeated(const Constant &constant, llvm::ArrayRef<int64_t> shape)
      : used(&constant) {
    if (constant.shape() != shape)
      used = &copy.emplace(constant.broadcast(shape));
  }
  Repeated(const Repeated &) = delete;
  const Constant *operator->() const { return used; }

private:
  const Constant *used;
  std::optional<Constant> copy;
};

/// function(x, y) for each pair of elements.
template <typename T, typename Function>
auto zipWith(llvm::ArrayRef<T> a, llvm::ArrayRef<T> b, Function function) {
  std::vector<decltype(function(a[0], b[0]))> result;
  result.reserve(a.size());
  for (size_t i = 0; i < a.size(); ++i)
    result.push_back(function(a[i], b[i]));
  return result;
}

template <typename OnFloats, typename OnIntegers>
mlir::LogicalResult foldPair(Node &node, const Constant &a, const Constant &b,
                             OnFloats onFloats, OnIntegers onIntegers) {
  std::optional<Shape> shape = commonShape(node, {&a, &b});
  if (!shape)
    return mlir::failure();
  Repeated x(a, *shape), y(b, *shape);
  mlir::RankedTensorType type = a.type().clone(*shape);
  if (a.isFloat())
    return node.yield(
        Constant(type, zipWith(x->floats(), y->floats(), [&](float x, float y) {
                   return float(onFloats(x, y));
                 })));
  mlir::Type element = type.getElementType();
  return node.yield(Constant(
      type, zipWith(x->integers(), y->integers(), [&](int64_t x, int64_t y) {
        return wrapInteger(onIntegers(x, y), element);
      })));
}

/// Combines all inputs, from the first to the last.
template <typename OnFloats, typename OnIntegers>
mlir::LogicalResult foldAll(Node &node, OnFloats onFloats,
                            OnIntegers onIntegers) {
  if (node.numInputs() == 1)
    return node.forward(0);
  Constant first = *node.constant(0);
  for (unsigned i = 1; i < node.numInputs(); ++i) {
    if (failed(foldPair(node, first, *node.constant(i), onFloats, onIntegers)))
      return mlir::failure();
    first = *node.resultConstant(0);
  }
  return mlir::success();
}

/// Each element by itself.
template <typename OnFloats, typename OnIntegers>
mlir::LogicalResult foldUnary(Node &node, OnFloats onFloats,
                              OnIntegers onIntegers) {
  const Constant &x = *node.constant(0);
  if (x.isFloat()) {
    std::vector<float> elements;
    elements.reserve(x.size());
    for (float element : x.floats())
      elements.push_back(float(onFloats(element)));
    return node.yield(Constant(x.type(), std::move(elements)));
  }
  std::vector<int64_t> elements;
  elements.reserve(x.size());
  for (int64_t element : x.integers())
    elements.push_back(
        wrapInteger(onIntegers(element), x.type().getElementType()));
  return node.yield(Constant(x.type(), std::move(elements)));
}

/// For functions that ONNX knows on floats only; computed in double.
template <double (*function)(double)>
mlir::LogicalResult foldFloat(Node &node) {
  if (!node.constant(0)->isFloat())
    return node.invalid("needs floats");
  return foldUnary(
      node, [](double x) { return function(x); }, [](int64_t x) { return x; });
}

mlir::LogicalResult foldAdd(Node &node); ///< Of any number of inputs.
mlir::LogicalResult foldSub(Node &node);
mlir::LogicalResult foldMul(Node &node);
mlir::LogicalResult foldDiv(Node &node);
mlir::LogicalResult foldPow(Node &node);
mlir::LogicalResult foldMod(Node &node);
mlir::LogicalResult foldMin(Node &node); ///< Of any number of inputs.
mlir::LogicalResult foldMax(Node &node);
mlir::LogicalResult foldNeg(Node &node);
mlir::LogicalResult foldAbs(Node &node);
mlir::LogicalResult foldSign(Node &node);

} // namespace fp8c

#endif // FP8C_IMPORT_ONNX_CONSTANTMATH_H
