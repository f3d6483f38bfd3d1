//===- Sources.cpp - Operators that make tensors --------------------------===//

#include "Import/ONNX/Operators.h"
#include "Import/ONNX/TensorData.h"
#include "Train/IR/Train.h"

using namespace mlir;

namespace fp8c {

static LogicalResult importTensorAttribute(Node &node,
                                           const onnx::TensorProto &tensor) {
  std::string error;
  ConstantPtr constant =
      decodeTensor(tensor, /*range=*/nullptr, node.builder.getContext(), error);
  if (!constant)
    return node.unsupported("its tensor " + error);
  return node.yield(*constant);
}

static LogicalResult importConstant(Node &node) {
  Builder &builder = node.builder;
  auto vector = [](size_t size, Type element) {
    return RankedTensorType::get(int64_t(size), element);
  };
  auto scalar = [](Type element) { return RankedTensorType::get({}, element); };
  if (node.proto.attribute_size() != 1)
    return node.invalid("needs exactly one attribute");
  if (const onnx::TensorProto *tensor = node.tensor("value"))
    return importTensorAttribute(node, *tensor);
  if (auto number = node.number("value_float"))
    return node.yield(
        Constant(scalar(builder.getF32Type()), std::vector<float>{*number}));
  if (auto numbers = node.numberList("value_floats"))
    return node.yield(Constant(vector(numbers->size(), builder.getF32Type()),
                               std::move(*numbers)));
  if (auto integer = node.integer("value_int"))
    return node.yield(
        Constant(scalar(builder.getI64Type()), std::vector<int64_t>{*integer}));
  if (auto integers = node.integerList("value_ints"))
    return node.yield(
        Constant(vector(integers->size(), builder.getI64Type()),
                 std::vector<int64_t>(integers->begin(), integers->end())));
  return success(); // checkAttributes reports the attribute.
}

/// A node that makes a tensor without looking at values declares a parameter.
static LogicalResult yieldParameter(Node &node, RankedTensorType type,
                                    Attribute init) {
  node.initializers.declare(node.proto.output(0), type, init);
  return node.yieldDeclared();
}

static LogicalResult importRandomNormal(Node &node) {
  // The runtime draws, with a seed of its own.
  node.ignore({"seed"});
  float mean = node.number("mean", 0.0f), scale = node.number("scale", 1.0f);
  std::optional<SmallVector<int64_t>> shape = node.integerList("shape");
  int64_t type = node.integer("dtype", onnx::TensorProto::FLOAT);
  if (!shape)
    return node.invalid("lacks its attribute 'shape'");
  if (type != onnx::TensorProto::FLOAT)
    return node.unsupported("draws numbers of " + onnxTypeName(int32_t(type)));
  if (countElements(*shape).value_or(0) == 0)
    return node.invalid("draws an impossible shape " + toString(*shape));
  return yieldParameter(
      node, RankedTensorType::get(*shape, node.builder.getF32Type()),
      train::NormalInitAttr::get(node.builder.getContext(), mean, scale));
}

/// A parameter if its shape is written in the file; if the shape is computed
/// from that of other values, it depends on the batch and is none.
static LogicalResult importConstantOfShape(Node &node) {
  SmallVector<int64_t> shape(node.integers(0));
  std::optional<int64_t> count = countElements(shape);
  if (!count)
    return node.invalid("makes an impossible shape " + toString(shape));
  auto zero = std::make_shared<Constant>(
      RankedTensorType::get({1}, node.builder.getF32Type()),
      std::vector<float>{0.0f});
  ConstantPtr value = zero;
  if (const onnx::TensorProto *tensor = node.tensor("value")) {
    std::string error;
    value = decodeTensor(*tensor, nullptr, node.builder.getContext(), error);
    if (!value)
      return node.unsupported("its value " + error);
    if (value->size() != 1)
      return node.invalid("needs a value of one element");
  }
  bool isWritten = node.initializers.lookup(node.proto.input(0));
  if (value->isFloat() && isWritten &&
      node.initializers.isParameter(node.proto.output(0), shape))
    return yieldParameter(
        node, RankedTensorType::get(shape, node.builder.getF32Type()),
        train::ConstantInitAttr::get(node.builder.getContext(),
                                     value->floats()[0]));
  if (*count > Constant::maxElements)
    return node.unsupported("its result is too large: " + toString(shape));
  return node.yield(value->reshape({}).broadcast(shape));
}

ArrayRef<Operator> sourceOperators() {
  static constexpr Operator table[] = {
      {"Constant", 1, "", importConstant},
      {"ConstantOfShape", 9, "input:ints", importConstantOfShape},
      {"RandomNormal", 1, "", importRandomNormal},
  };
  return table;
}

} // namespace fp8c
