//===- Loss.cpp - Losses --------------------------------------------------===//

#include "Import/ONNX/Operators.h"
#include "Import/ONNX/Shapes.h"
#include "Train/IR/Train.h"

using namespace mlir;

namespace fp8c {

/// scores [N, C, D…], labels [N, D…]; the train dialect has classes last.
static LogicalResult importSoftmaxCrossEntropy(Node &node) {
  std::string reduction = node.string("reduction").value_or("mean");
  // Without one every label counts: -100 can be none.
  int64_t ignored = node.integer("ignore_index", -100);
  int64_t rank = node.rank(0);
  if (node.has(2))
    return node.unsupported("weighs its classes");
  if (reduction != "mean")
    return node.unsupported("reduces by '" + reduction + "', not by mean");
  if (rank < 2)
    return node.invalid("needs scores [batch, classes, ...], not " +
                        toString(node.shape(0)));
  Shape labels(node.shape(0));
  labels.erase(labels.begin() + 1);
  if (node.shape(1) != ArrayRef<int64_t>(labels))
    return node.invalid("needs labels " + toString(labels) +
                        " for its scores " + toString(node.shape(0)) +
                        ", not " + toString(node.shape(1)));
  Value logits =
      node.transpose(node.value(0), movingPermutation(rank, 1, rank - 1));
  auto loss =
      node.create<train::CrossEntropyOp>(logits, node.value(1), ignored);
  if (node.wants(1)) {
    Value logProb = node.create<train::LogSoftmaxOp>(logits.getType(), logits);
    (void)node.yield(
        node.transpose(logProb, movingPermutation(rank, rank - 1, 1)), 1);
  }
  return node.yield(loss.getLoss());
}

ArrayRef<Operator> lossOperators() {
  static constexpr Operator table[] = {
      {"SoftmaxCrossEntropyLoss", 13, "scores:float labels:ids weights:float?",
       importSoftmaxCrossEntropy},
  };
  return table;
}

} // namespace fp8c
