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

/// Opens a block with a table of `rows` structs, whose fields `getFields`
/// gives.
static void printTable(SourceWriter &writer, StringRef type, StringRef name,
                       size_t rows,
                       llvm::function_ref<std::string(size_t)> getFields) {
  writer.os << "  {\n    const " << type << " " << name << "[] = "
            << getTable(rows,
                        [&](size_t i) { return "{" + getFields(i) + "}"; })
            << ";\n    ";
}

static std::string getCount(Value buffer) {
  return ", " + std::to_string(typeOf(buffer).getNumElements());
}

static std::string getElement(Value buffer) {
  return getElementName(typeOf(buffer).getElementType());
}

/// Prints a call that joins values; `getParts` gives the last field.
template <typename Op>
static LogicalResult
printJoin(Op op, SourceWriter &writer,
          llvm::function_ref<std::string(Value, Value)> getParts) {
  StringRef function = op->getName().stripDialect();
  ValueRange inputs = op.getInputs(), outputs = op.getOutputs();
  writer.comment(op, function + ": " + Twine(inputs.size()));
  printTable(writer, "Joined", "tensors", inputs.size(), [&](size_t i) {
    return writer.list({inputs[i], outputs[i]}) + getCount(outputs[i]) +
           ", Element::of_" + getElement(outputs[i]) +
           getParts(inputs[i], outputs[i]);
  });
  writer.os << function << "(" << getFirst(writer) << "tensors, "
            << inputs.size() << ", "
            << (op.getReduction() == train::Reduction::sum ? "Join::sum"
                                                           : "Join::max")
            << ", " << writer.use(op.getScratch()) << ");\n  }\n";
  return success();
}

/// Prints a call that sums codes.
template <typename Op>
static LogicalResult
printCodes(Op op, SourceWriter &writer, StringRef function,
           llvm::function_ref<std::string(Value, Value)> getParts) {
  ValueRange inputs = op.getInputs(), outputs = op.getOutputs(),
             pairs = op.getPairs(), outputPairs = op.getOutputPairs();
  writer.comment(op,
                 op->getName().stripDialect() + ": " + Twine(inputs.size()));
  printTable(writer, "SummedCodes", "tensors", inputs.size(), [&](size_t i) {
    return writer.list({inputs[i], outputs[i], pairs[i], outputPairs[i]}) +
           getCount(outputs[i]) + getParts(inputs[i], outputs[i]);
  });
  writer.os << function << "<" << getElement(inputs.front()) << ">("
            << getFirst(writer) << "tensors, " << inputs.size() << ", "
            << writer.use(op.getScratch()) << ");\n  }\n";
  return success();
}

static std::string noParts(Value, Value) { return ""; }

static LogicalResult print(AllReduceOp op, SourceWriter &writer) {
  return printJoin(op, writer, getParts);
}

static LogicalResult print(ReduceScatterOp op, SourceWriter &writer) {
  return printJoin(op, writer, noParts);
}

static LogicalResult print(AllReduceCodesOp op, SourceWriter &writer) {
  return printCodes(op, writer,
                    op.getNative() ? "sum_natively" : "all_reduce_codes",
                    getParts);
}

static LogicalResult print(ReduceScatterCodesOp op, SourceWriter &writer) {
  return printCodes(op, writer, "reduce_scatter_codes", noParts);
}

/// Prints a call that moves shares.
static LogicalResult printMove(Operation *op, ValueRange inputs,
                               ValueRange outputs, SourceWriter &writer) {
  StringRef function = op->getName().stripDialect();
  writer.comment(op, function + ": " + Twine(inputs.size()));
  printTable(writer, "Moved", "tensors", inputs.size(), [&](size_t i) {
    return writer.list({inputs[i], outputs[i]}) + ", " +
           std::to_string(getByteSize(typeOf(inputs[i])));
  });
  writer.os << function << "(" << getFirst(writer) << "tensors, "
            << inputs.size() << ");\n  }\n";
  return success();
}

static LogicalResult print(AllGatherOp op, SourceWriter &writer) {
  return printMove(op, op.getInputs(), op.getOutputs(), writer);
}

static LogicalResult print(AllToAllOp op, SourceWriter &writer) {
  return printMove(op, op.getInputs(), op.getOutputs(), writer);
}

static LogicalResult print(ScaleByOp op, SourceWriter &writer) {
  ValueRange pairs = op.getPairs();
  writer.comment(op, "scale_by: " + Twine(pairs.size()));
  printTable(writer, "ScaledScale", "scales", pairs.size(), [&](size_t i) {
    return writer.list({pairs[i], op.getFactors()[i], op.getOutputs()[i]});
  });
  writer.os << "scale_by(" << writer.first << "scales, " << pairs.size()
            << ");\n  }\n";
  return success();
}

static LogicalResult print(AdjustMuOp op, SourceWriter &writer) {
  ValueRange mus = op.getMus(), sums = op.getSums();
  writer.comment(op, "adjust_mu: " + Twine(mus.size()));
  printTable(writer, "WatchedSum", "sums", mus.size(), [&](size_t i) {
    return writer.list({mus[i], sums[i]}) + getCount(sums[i]);
  });
  writer.os << "adjust_mu<" << getElement(sums.front()) << ">("
            << getFirst(writer) << "sums, " << mus.size() << ", "
            << writer.use(op.getScratch()) << ");\n  }\n";
  return success();
}

static LogicalResult print(PutPartOp op, SourceWriter &writer) {
  Value input = op.getInput(), parts = op.getParts();
  writer.call(op, ", /*count=*/" + Twine(typeOf(input).getNumElements()) +
                      ", /*parts=*/" + Twine(exec::countParts(parts, input)));
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
  attachSource<AllReduceOp, AllReduceCodesOp, ReduceScatterOp,
               ReduceScatterCodesOp, AllGatherOp, AllToAllOp, ScaleByOp,
               AdjustMuOp, PutPartOp, AgreeStatsOp, AsyncBeginOp, AsyncEndOp,
               AsyncWaitOp>(context);
}

} // namespace fp8c::target
