//===- Loss.cpp - Losses --------------------------------------------------===//
//
// Scores are [N, C, D…], labels [N, D…] and weights [C]. The train dialect has
// classes last.
//
//===----------------------------------------------------------------------===//

#include "Import/ONNX/Operators.h"
#include "Import/ONNX/Shapes.h"
#include "Train/IR/Train.h"

using namespace mlir;

namespace fp8c {

namespace {
struct Loss {
  Value scores; ///< [N, D…, C]
  Value labels; ///< [N, D…], i64
  std::optional<int64_t> ignored;
  std::string reduction;
};
} // namespace

static std::optional<Loss> readLoss(Node &node) {
  Loss loss;
  loss.reduction = node.string("reduction").value_or("mean");
  loss.ignored = node.integer("ignore_index");
  auto bad = [&](const Twine &message) {
    (void)node.invalid(message);
    return std::nullopt;
  };
  if (!llvm::is_contained({"mean", "sum", "none"}, StringRef(loss.reduction)))
    return bad("knows no reduction '" + loss.reduction + "'");
  int64_t rank = node.rank(0);
  if (rank < 2)
    return bad("needs scores [batch, classes, ...], not " +
               toString(node.shape(0)));
  Shape labels(node.shape(0));
  int64_t classes = labels[1];
  labels.erase(labels.begin() + 1);
  if (node.shape(1) != ArrayRef<int64_t>(labels))
    return bad("needs labels " + toString(labels) + " for its scores " +
               toString(node.shape(0)) + ", not " + toString(node.shape(1)));
  if (node.has(2) && node.shape(2) != ArrayRef<int64_t>(classes))
    return bad("needs a weight for each of its " + Twine(classes) +
               " classes, not " + toString(node.shape(2)));
  Type element = node.type(1).getElementType();
  if (!element.isSignlessInteger(64) && !element.isSignlessInteger(32))
    return bad("needs labels of int64 or int32");
  loss.scores =
      node.transpose(node.value(0), movingPermutation(rank, 1, rank - 1));
  loss.labels = node.value(1);
  if (element.isInteger(32))
    loss.labels = node.create<train::ConvertOp>(
        node.type(1).clone(node.builder.getI64Type()), loss.labels);
  return loss;
}

/// The weight of each label: its class's, or 1, and 0 where it does not count.
/// Null where that is 1 for all.
static Value labelWeights(Node &node, const Loss &loss, Value labels,
                          Value counts) {
  Value weights;
  if (node.has(2)) {
    Value table = node.reshape(node.value(2), {node.shape(2)[0], 1});
    Shape shape(shapeOf(labels));
    shape.push_back(1);
    weights = node.create<train::EmbeddingOp>(node.type(2).clone(shape), table,
                                              labels);
    shape.pop_back();
    weights = node.reshape(weights, shape);
  }
  if (!counts)
    return weights;
  Value one = weights ? weights : node.scalar(1.0f);
  Value zero = node.scalar(0.0f);
  return node.create<train::SelectOp>(counts, one, zero);
}

/// -log(probability of the label) of logarithms [N, D…, C], weighted, and
/// reduced as the node wants it.
static Value negativeLogLikelihood(Node &node, const Loss &loss, Value logs) {
  Value labels = loss.labels, counts;
  if (loss.ignored) {
    // Such a label may name no class.
    auto scalar = RankedTensorType::get({}, node.builder.getI64Type());
    Value ignored =
        node.materialize(Constant(scalar, std::vector<int64_t>{*loss.ignored}));
    Value first = node.materialize(Constant(scalar, std::vector<int64_t>{0}));
    counts =
        node.create<train::CompareOp>(train::Predicate::ne, labels, ignored);
    labels = node.create<train::SelectOp>(counts, labels, first);
  }
  Shape shape(shapeOf(labels)), column(shape);
  column.push_back(1);
  Value chosen =
      node.create<train::GatherElementsOp>(logs, node.reshape(labels, column));
  Value terms = node.create<train::NegOp>(node.reshape(chosen, shape));
  Value weights = labelWeights(node, loss, labels, counts);
  if (weights)
    terms = node.create<train::MulOp>(terms, weights);
  if (loss.reduction == "none")
    return terms;
  Shape all = identityPermutation(shape.size());
  Value sum = node.create<train::ReduceSumOp>(terms, all);
  if (loss.reduction == "sum")
    return sum;
  Value total = weights ? node.create<train::ReduceSumOp>(weights, all)
                        : node.scalar(float(product(shape)));
  return node.create<train::DivOp>(sum, total);
}

static LogicalResult importSoftmaxCrossEntropy(Node &node) {
  std::optional<Loss> loss = readLoss(node);
  if (!loss)
    return failure();
  int64_t rank = node.rank(0);
  bool isPlainMean = loss->reduction == "mean" && !node.has(2);
  if (node.wants(1) || !isPlainMean) {
    Value logs =
        node.create<train::LogSoftmaxOp>(loss->scores.getType(), loss->scores);
    if (!isPlainMean)
      (void)node.yield(negativeLogLikelihood(node, *loss, logs));
    if (node.wants(1))
      (void)node.yield(
          node.transpose(logs, movingPermutation(rank, rank - 1, 1)), 1);
  }
  if (!isPlainMean)
    return success();
  // Without one every label counts: -100 can be none.
  return node.yield(
      node.create<train::CrossEntropyOp>(loss->scores, loss->labels,
                                         loss->ignored.value_or(-100))
          .getLoss());
}

static LogicalResult importNegativeLogLikelihood(Node &node) {
  std::optional<Loss> loss = readLoss(node);
  return loss ? node.yield(negativeLogLikelihood(node, *loss, loss->scores))
              : failure();
}

ArrayRef<Operator> lossOperators() {
  static constexpr Operator table[] = {
      {"SoftmaxCrossEntropyLoss", 12, "scores:float labels:any weights:float?",
       importSoftmaxCrossEntropy},
      {"NegativeLogLikelihoodLoss", 12, "input:float target:any weight:float?",
       importNegativeLogLikelihood},
  };
  return table;
}

} // namespace fp8c
