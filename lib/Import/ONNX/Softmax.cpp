//===- Softmax.cpp - Softmax and its logarithm ----------------------------===//

#include "Import/ONNX/Operators.h"
#include "Import/ONNX/Shapes.h"
#include "Train/IR/Train.h"

using namespace mlir;

namespace fp8c {

/// Along one dimension, which is moved to the end.
template <typename Op> static LogicalResult importAlongAxis(Node &node) {
  int64_t rank = node.rank(0);
  std::optional<int64_t> axis = node.axis(node.integer("axis", -1), rank);
  if (!axis)
    return failure();
  Value turned =
      node.transpose(node.value(0), movingPermutation(rank, *axis, rank - 1));
  Value result = node.create<Op>(turned.getType(), turned);
  return node.yield(
      node.transpose(result, movingPermutation(rank, rank - 1, *axis)));
}

/// Before opset 13 all dimensions from `axis` on count as one.
template <typename Op> static LogicalResult importFlattened(Node &node) {
  int64_t rank = node.rank(0);
  std::optional<int64_t> axis = node.axis(node.integer("axis", 1), rank);
  if (!axis)
    return failure();
  Value rows =
      node.reshape(node.value(0), {product(node.shape(0).take_front(*axis)),
                                   product(node.shape(0).drop_front(*axis))});
  Value result = node.create<Op>(rows.getType(), rows);
  return node.yield(node.reshape(result, node.shape(0)));
}

ArrayRef<Operator> softmaxOperators() {
  static constexpr Operator table[] = {
      {"Softmax", 1, "input:float", importFlattened<train::SoftmaxOp>},
      {"Softmax", 13, "input:float", importAlongAxis<train::SoftmaxOp>},
      {"LogSoftmax", 1, "input:float", importFlattened<train::LogSoftmaxOp>},
      {"LogSoftmax", 13, "input:float", importAlongAxis<train::LogSoftmaxOp>},
  };
  return table;
}

} // namespace fp8c
