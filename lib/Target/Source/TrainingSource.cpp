//===- TrainingSource.cpp - Losses and gradients in source ----------------===//

#include "Target/Source/SourceModels.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::exec;

namespace fp8c::target {

static LogicalResult print(CountLabelsOp op, SourceWriter &writer) {
  writer.call(op,
              ", /*rows=*/" + Twine(typeOf(op.getLabels()).getNumElements()) +
                  ", /*ignore_index=*/" + Twine(int64_t(op.getIgnoreIndex())));
  return success();
}

static LogicalResult print(MeanLossOp op, SourceWriter &writer) {
  writer.call(op, ", /*rows=*/" +
                      Twine(typeOf(op.getRowLosses()).getNumElements()));
  return success();
}

template <typename Op>
static LogicalResult printCrossEntropy(Op op, SourceWriter &writer) {
  ArrayRef<int64_t> shape = typeOf(op.getLogits()).getShape();
  int64_t width = shape.back(), classes = op.getClasses().value_or(width);
  std::string number = std::to_string(classes);
  if (classes != width)
    number = "PaddedClasses{" + number + ", " + std::to_string(width) + "}";
  writer.call(op, ",\n      /*rows=*/" +
                      Twine(ShapedType::getNumElements(shape.drop_back())) +
                      ", /*classes=*/" + number + ", /*ignore_index=*/" +
                      Twine(int64_t(op.getIgnoreIndex())));
  return success();
}
static LogicalResult print(CrossEntropyOp op, SourceWriter &writer) {
  return printCrossEntropy(op, writer);
}
static LogicalResult print(CrossEntropyBackwardOp op, SourceWriter &writer) {
  return printCrossEntropy(op, writer);
}
static LogicalResult print(CrossEntropyRowsOp op, SourceWriter &writer) {
  return printCrossEntropy(op, writer);
}
static LogicalResult print(CrossEntropyFusedOp op, SourceWriter &writer) {
  return printCrossEntropy(op, writer);
}

static LogicalResult print(AccumulateOp op, SourceWriter &writer) {
  writer.comment(op, "accumulate");
  writer.os << "  map(" << writer.first << "AccumulateKernel{"
            << writer.list(op->getOperands()) << ", "
            << getAccumulate(op.getAccumulate(), op.getUnlessFirst()) << "}, "
            << typeOf(op.getTarget()).getNumElements() << ");\n";
  return success();
}

static LogicalResult print(ClearIfFirstOp op, SourceWriter &writer) {
  writer.comment(op, "clear_if_first");
  writer.os << "  if (!call->accumulate)\n    fill(" << writer.first
            << writer.use(op.getTarget()) << ", "
            << typeOf(op.getTarget()).getNumElements() << ", 0.0f);\n";
  return success();
}

static LogicalResult print(ClipCoefficientOp op, SourceWriter &writer) {
  writer.comment(op, "clip_coefficient");
  writer.os << "  const float *sums[] = {" << writer.list(op.getSums())
            << "};\n  clip_coefficient(" << writer.first << "sums, "
            << op.getSums().size() << ", "
            << writer.list({op.getMaxNorm(), op.getCoefficient(), op.getNorm()})
            << ");\n";
  return success();
}

void attachTrainingSource(MLIRContext &context) {
  attachSource<CountLabelsOp, MeanLossOp, CrossEntropyOp,
               CrossEntropyBackwardOp, CrossEntropyRowsOp, CrossEntropyFusedOp,
               AccumulateOp, ClearIfFirstOp, ClipCoefficientOp>(context);
}

} // namespace fp8c::target
