//===- CollectiveSource.cpp - What processes do together, in source -------===//

#include "Target/Source/SourceModels.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::exec;

namespace fp8c::target {

/// The call knows the other processes; a stream has it.
static StringRef getFirst(const SourceWriter &writer) {
  return writer.isCUDA ? writer.first : "call, ";
}

/// The last of a tensor's fields, where it is not what it is by default.
static std::string getParts(Value input, Value output) {
  int64_t parts = exec::countParts(input, output);
  return parts == 1 ? "" : ", " + std::to_string(parts);
}

static LogicalResult print(AllReduceOp op, SourceWriter &writer) {
  ValueRange inputs = op.getInputs(), outputs = op.getOutputs();
  writer.comment(op, "all_reduce: " + Twine(inputs.size()));
  writer.os << "  {\n    const Joined tensors[] = "
            << getTable(inputs.size(),
                        [&](size_t i) {
                          MemRefType type = typeOf(outputs[i]);
                          return "{" + writer.list({inputs[i], outputs[i]}) +
                                 ", " + std::to_string(type.getNumElements()) +
                                 ", Element::of_" +
                                 getElementName(type.getElementType()) +
                                 getParts(inputs[i], outputs[i]) + "}";
                        })
            << ";\n    all_reduce(" << getFirst(writer) << "tensors, "
            << inputs.size() << ", "
            << (op.getReduction() == train::Reduction::sum ? "Join::sum"
                                                           : "Join::max")
            << ", " << writer.use(op.getScratch()) << ");\n  }\n";
  return success();
}

static LogicalResult print(AllReduceCodesOp op, SourceWriter &writer) {
  ValueRange inputs = op.getInputs(), outputs = op.getOutputs(),
             pairs = op.getPairs(), outputPairs = op.getOutputPairs();
  writer.comment(op, "all_reduce_codes: " + Twine(inputs.size()));
  writer.os << "  {\n    const SummedCodes tensors[] = "
            << getTable(inputs.size(),
                        [&](size_t i) {
                          return "{" +
                                 writer.list({inputs[i], outputs[i], pairs[i],
                                              outputPairs[i]}) +
                                 ", " +
                                 std::to_string(
                                     typeOf(outputs[i]).getNumElements()) +
                                 getParts(inputs[i], outputs[i]) + "}";
                        })
            << ";\n    "
            << (op.getNative() ? "sum_natively<" : "all_reduce_codes<")
            << getElementName(typeOf(inputs.front()).getElementType()) << ">("
            << getFirst(writer) << "tensors, " << inputs.size() << ", "
            << writer.use(op.getScratch()) << ");\n  }\n";
  return success();
}

static LogicalResult print(ScaleByOp op, SourceWriter &writer) {
  writer.comment(op, "scale_by: " + Twine(op.getPairs().size()));
  writer.os << "  {\n    const ScaledScale scales[] = "
            << getTable(op.getPairs().size(),
                        [&](size_t i) {
                          return "{" +
                                 writer.list({op.getPairs()[i],
                                              op.getFactors()[i],
                                              op.getOutputs()[i]}) +
                                 "}";
                        })
            << ";\n    scale_by(" << writer.first << "scales, "
            << op.getPairs().size() << ");\n  }\n";
  return success();
}

static LogicalResult print(AdjustMuOp op, SourceWriter &writer) {
  writer.comment(op, "adjust_mu: " + Twine(op.getMus().size()));
  writer.os << "  {\n    const WatchedSum sums[] = "
            << getTable(op.getMus().size(),
                        [&](size_t i) {
                          return "{" +
                                 writer.list(
                                     {op.getMus()[i], op.getSums()[i]}) +
                                 ", " +
                                 std::to_string(
                                     typeOf(op.getSums()[i]).getNumElements()) +
                                 "}";
                        })
            << ";\n    adjust_mu<"
            << getElementName(typeOf(op.getSums().front()).getElementType())
            << ">(" << getFirst(writer) << "sums, " << op.getMus().size()
            << ", " << writer.use(op.getScratch()) << ");\n  }\n";
  return success();
}

static LogicalResult print(PutPartOp op, SourceWriter &writer) {
  Value input = op.getInput(), parts = op.getParts();
  writer.call(op, ", " + Twine(typeOf(input).getNumElements()) + ", " +
                      Twine(exec::countParts(parts, input)));
  return success();
}

static LogicalResult print(AgreeStatsOp op, SourceWriter &writer) {
  SmallVector<std::string> all;
  for (Value stats : op.getStats())
    all.push_back(writer.use(stats));
  for (Value state : op.getStates())
    all.push_back("&scale_state(" + writer.use(state) + ")->pending");
  writer.comment(op, "agree_stats: " + Twine(all.size()));
  writer.os << "  {\n    Stats *const all[] = "
            << getTable(all.size(), [&](size_t i) { return all[i]; })
            << ";\n    agree_stats(" << getFirst(writer) << "all, "
            << all.size() << ", " << writer.use(op.getScratch()) << ");\n  }\n";
  return success();
}

static LogicalResult print(AsyncBeginOp op, SourceWriter &writer) {
  writer.os << "  {";
  if (writer.isCUDA)
    writer.os << " const Async async(stream, " << op.getSection() << ");";
  writer.os << "\n";
  return success();
}

static LogicalResult print(AsyncEndOp, SourceWriter &writer) {
  writer.os << "  }\n";
  return success();
}

static LogicalResult print(AsyncWaitOp op, SourceWriter &writer) {
  if (writer.isCUDA)
    writer.os << "  wait_for_async(stream, " << op.getSection() << ");\n";
  return success();
}

void attachCollectiveSource(MLIRContext &context) {
  attachSource<AllReduceOp, AllReduceCodesOp, ScaleByOp, AdjustMuOp, PutPartOp,
               AgreeStatsOp, AsyncBeginOp, AsyncEndOp, AsyncWaitOp>(context);
}

} // namespace fp8c::target
