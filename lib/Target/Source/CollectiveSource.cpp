//===- CollectiveSource.cpp - What processes do together, in source -------===//

#include "Target/Source/SourceModels.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::exec;

namespace fp8c::target {

static LogicalResult refuseCUDA(Operation *op) {
  return op->emitOpError(
      "cannot be emitted for CUDA yet: compile with --target cpu");
}

static LogicalResult print(AllReduceOp op, SourceWriter &writer) {
  if (writer.isCUDA)
    return refuseCUDA(op);
  writer.comment(op, "all_reduce");
  writer.os << "  all_reduce(call, "
            << writer.list({op.getInput(), op.getOutput()}) << ", "
            << typeOf(op.getInput()).getNumElements() << ", Fp8cReduction_"
            << train::stringifyReduction(op.getReduction()) << ");\n";
  return success();
}

static LogicalResult print(AgreeScalesOp op, SourceWriter &writer) {
  if (writer.isCUDA)
    return refuseCUDA(op);
  ValueRange states = op.getStates();
  writer.comment(op, "agree_scales: " + Twine(states.size()));
  writer.os << "  {\n    ScaleState *const states[] = "
            << getTable(states.size(),
                        [&](size_t i) {
                          return "scale_state(" + writer.use(states[i]) + ")";
                        })
            << ";\n    agree_scales(call, states, " << states.size()
            << ");\n  }\n";
  return success();
}

void attachCollectiveSource(MLIRContext &context) {
  attachSource<AllReduceOp, AgreeScalesOp>(context);
}

} // namespace fp8c::target
