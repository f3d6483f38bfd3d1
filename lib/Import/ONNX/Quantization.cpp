//===- Quantization.cpp - QuantizeLinear and DequantizeLinear -------------===//
//
// On known elements. At run time the recipe, not the file, decides what is
// quantised.
//
//===----------------------------------------------------------------------===//

#include "Import/ONNX/ConstantMath.h"
#include "Import/ONNX/Indexing.h"
#include "Import/ONNX/Operators.h"
#include "Import/ONNX/TensorData.h"

using namespace mlir;

namespace fp8c {

static LogicalResult refuseAtRunTime(Node &node) {
  return node.unsupported(
      "quantises values known at run time: export the model without "
      "quantisation of activations and choose a recipe of FP8");
}

/// Scales or zero points (input i), one for each element of input 0: given for
/// all, along the axis, or for blocks of it.
static std::optional<Constant> spread(Node &node, unsigned i) {
  auto bad = [&]() {
    (void)node.invalid("has scales or zero points " + toString(node.shape(i)) +
                       " that do not fit its data " + toString(node.shape(0)));
    return std::nullopt;
  };
  ArrayRef<int64_t> shape = node.shape(0);
  const Constant &given = *node.constant(i);
  int64_t rank = shape.size(), axis = node.integer("axis", 1);
  int64_t block = node.integer("block_size", 0);
  if (given.size() == 1)
    return given.reshape({}).broadcast(shape);
  axis = axis < 0 ? axis + rank : axis;
  if (axis < 0 || axis >= rank)
    return bad();
  Shape expected = {shape[axis]}, aligned(rank, 1);
  if (block == 0) {
    aligned[axis] = shape[axis];
    return given.shape() == ArrayRef<int64_t>(expected)
               ? std::optional<Constant>(
                     given.reshape(aligned).broadcast(shape))
               : bad();
  }
  expected = Shape(shape);
  expected[axis] =
      block > 0 ? llvm::divideCeil(uint64_t(shape[axis]), block) : 0;
  if (given.shape() != ArrayRef<int64_t>(expected))
    return bad();
  Shape indices;
  for (int64_t j = 0; j < shape[axis]; ++j)
    indices.push_back(j / block);
  return takeAlong(given, axis, indices);
}

/// (x - zero point) * scale
static LogicalResult foldDequantize(Node &node) {
  node.ignore({"output_dtype"}); // All floats are f32 here.
  std::optional<Constant> scale = spread(node, 1), zero;
  if (!scale || (node.has(2) && !(zero = spread(node, 2))))
    return failure();
  if (!scale->isFloat() ||
      (zero && zero->type().getElementType() != node.type(0).getElementType()))
    return node.invalid("needs scales of floats, and zero points of its "
                        "data's type");
  std::vector<float> numbers;
  numbers.reserve(scale->size());
  for (int64_t i = 0; i < scale->size(); ++i) {
    double offset = zero ? zero->number(i) : 0.0;
    numbers.push_back(float(node.constant(0)->number(i) - offset) *
                      scale->floats()[i]);
  }
  return node.yield(Constant(scale->type(), std::move(numbers)));
}

/// The type of the zero points, or as the attribute says; uint8 by default.
static Type quantizedType(Node &node) {
  int64_t given = node.integer("output_dtype", 0);
  if (node.has(2))
    return node.type(2).getElementType();
  Type element = importElementType(given ? int32_t(given)
                                         : int32_t(onnx::TensorProto::UINT8),
                                   node.builder.getContext());
  if (!element || element.isF32() || element.isInteger(1)) {
    (void)node.unsupported("quantises to " + onnxTypeName(int32_t(given)));
    return {};
  }
  return element;
}

/// x / scale rounded to the even neighbour, plus the zero point, with what is
/// out of range at its end.
static LogicalResult foldQuantize(Node &node) {
  node.ignore({"precision"});
  bool saturates = node.integer("saturate", 1) != 0;
  Type element = quantizedType(node);
  std::optional<Constant> scale = spread(node, 1), zero;
  if (!element || !scale || (node.has(2) && !(zero = spread(node, 2))))
    return failure();
  if (!scale->isFloat() || !node.constant(0)->isFloat())
    return node.invalid("needs data and scales of floats");
  RankedTensorType type = node.type(0).clone(element);
  std::vector<float> numbers;
  numbers.reserve(scale->size());
  for (int64_t i = 0; i < scale->size(); ++i)
    numbers.push_back(node.constant(0)->floats()[i] / scale->floats()[i]);
  if (isa<FloatType>(element))
    return node.yield(roundTo(Constant(node.type(0), std::move(numbers)),
                              element, saturates));
  unsigned bits = element.getIntOrFloatBitWidth();
  bool isUnsigned = element.isUnsignedInteger();
  double lowest = isUnsigned ? 0 : -std::ldexp(1.0, bits - 1);
  double highest = std::ldexp(1.0, isUnsigned ? bits : bits - 1) - 1;
  if (bits > 16)
    return node.unsupported("quantises to integers of more than 16 bits");
  std::vector<int64_t> integers;
  integers.reserve(scale->size());
  for (int64_t i = 0; i < scale->size(); ++i) {
    double offset = zero ? zero->number(i) : 0.0;
    double number = std::nearbyint(double(numbers[i])) + offset;
    integers.push_back(
        std::isnan(number) ? 0 : int64_t(std::clamp(number, lowest, highest)));
  }
  return node.yield(Constant(type, std::move(integers)));
}

ArrayRef<Operator> quantizationOperators() {
  static constexpr llvm::StringLiteral
      quantize = "x:any y_scale:any y_zero_point:any?",
      dequantize = "x:any x_scale:any x_zero_point:any?";
  static constexpr Operator table[] = {
      {"QuantizeLinear", 10, quantize, refuseAtRunTime, foldQuantize},
      {"DequantizeLinear", 10, dequantize, refuseAtRunTime, foldDequantize},
      {"QuantizeLinear", 1, quantize, refuseAtRunTime, foldQuantize,
       microsoftDomain},
      {"DequantizeLinear", 1, dequantize, refuseAtRunTime, foldDequantize,
       microsoftDomain},
  };
  return table;
}

} // namespace fp8c
