//===- TensorSource.cpp - Products, attention, tables, moves in source ----===//

#include "Target/Source/KernelPrinter.h"
#include "Target/Source/SourceModels.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::exec;

namespace fp8c::target {

/// The enumerator of kernels/common/tiles.h.
static std::string getGranularityName(fp8::Granularity granularity) {
  StringRef word = fp8::stringifyGranularity(granularity);
  return ("Granularity::" +
          (fp8::isBlock(granularity) ? "block_" + word : word))
      .str();
}

static LogicalResult print(GemmOp op, SourceWriter &writer) {
  raw_ostream &os = writer.os;
  if (op.getBias() && !writer.isCUDA)
    return op.emitOpError("adds a bias, which the CPU's library cannot: "
                          "run convert-to-exec without gemm-bias");
  writer.comment(op, "[" + Twine(op.getM()) + ", " + Twine(op.getK()) +
                         "] x [" + Twine(op.getK()) + ", " + Twine(op.getN()) +
                         "]");
  os << "  gemm(" << writer.first << "{.m = " << op.getM()
     << ", .n = " << op.getN() << ", .k = " << op.getK();
  if (op.getTransposeA())
    os << ", .transpose_a = true";
  if (op.getTransposeB())
    os << ", .transpose_b = true";
  if (op.getBatch() != 1)
    os << ", .batch = " << op.getBatch()
       << ", .stride_a = " << op.getM() * op.getK()
       << ", .stride_b = " << op.getK() * op.getN()
       << ", .stride_c = " << op.getM() * op.getN();
  if (writer.isCUDA && op.getFastAccum())
    os << ", .fast_accum = true";
  if (auto granularity = op.getGranularityA())
    os << (writer.isCUDA ? ",\n                .granularity_a = "
                         : ",\n        .granularity_a = ")
       << getGranularityName(*granularity);
  if (auto granularity = op.getGranularityB())
    os << ", .granularity_b = " << getGranularityName(*granularity);
  bool isLong = op.getGranularityA() || op.getGranularityB();
  os << (isLong ? "},\n       " : "}, ")
     << writer.list({op.getA(), op.getB(), op.getC()});
  auto scale = [&](Value scales, std::optional<fp8::Granularity> granularity) {
    return granularity ? writer.use(scales)
           : scales    ? "scale_inv(" + writer.use(scales) + ")"
                       : "nullptr";
  };
  if (op.getAccumulate() || op.getScaleA() || op.getScaleB() ||
      op.getWorkspace() || op.getBias())
    os << ", /*accumulate=*/"
       << getAccumulate(op.getAccumulate(), op.getUnlessFirst());
  if (op.getScaleA() || op.getScaleB() || op.getWorkspace() || op.getBias())
    os << ",\n       " << (op.getScaleA() ? "" : "/*scale_inv=*/")
       << scale(op.getScaleA(), op.getGranularityA()) << ", "
       << scale(op.getScaleB(), op.getGranularityB());
  if (op.getWorkspace())
    os << ", " << writer.use(op.getWorkspace());
  if (op.getBias())
    os << ", /*bias=*/" << writer.use(op.getBias());
  os << ");\n";
  return success();
}

/// Elements from one token to the next.
static int64_t getTokenStride(Value value) {
  return typeOf(value).getStridesAndOffset().first[1];
}

/// The shape of an attention, without the closing brace.
template <typename Op>
static LogicalResult printAttentionShape(Op op, SourceWriter &writer) {
  ArrayRef<int64_t> q = typeOf(op.getQ()).getShape();
  int64_t headDim = q[2] / int64_t(op.getHeads()),
          valueDim = typeOf(op.getV()).getDimSize(2) / int64_t(op.getKvHeads());
  if (writer.isCUDA && valueDim != headDim)
    return op.emitOpError("has value heads of another width than key heads, "
                          "which only the CPU's kernels can do: compile with "
                          "--target cpu");
  StringRef callee = op->getName().stripDialect();
  writer.comment(op, callee);
  writer.os << "  " << callee << "(" << writer.first << "{.batch = " << q[0]
            << ", .seq = " << q[1] << ", .heads = " << op.getHeads()
            << ", .kv_heads = " << op.getKvHeads()
            << ", .head_dim = " << headDim
            << ",\n             .q_stride = " << getTokenStride(op.getQ())
            << ", .k_stride = " << getTokenStride(op.getK())
            << ", .v_stride = " << getTokenStride(op.getV())
            << ", .o_stride = " << getTokenStride(op.getO())
            << ",\n             .scale = " << getFloatLiteral(op.getScale())
            << ", .causal = " << flag(op.getCausal())
            << ", .kv_seq = " << typeOf(op.getK()).getDimSize(1);
  if (valueDim != headDim)
    writer.os << ", .v_head_dim = " << valueDim;
  if constexpr (std::is_same_v<Op, AttentionBackwardOp>)
    if (op.getParts() != 1)
      writer.os << ", .parts = " << op.getParts();
  if (op.getWindow())
    writer.os << ", .window = " << *op.getWindow();
  if (op.getSoftcap())
    writer.os << ", .softcap = " << getFloatLiteral(*op.getSoftcap());
  if (op.getBias()) {
    writer.os << ", .bias = {";
    llvm::interleaveComma(typeOf(op.getBias()).getShape(), writer.os);
    writer.os << "}";
  }
  if (op.getLengths())
    writer.os << ", .lengths = true";
  writer.os << "},\n            ";
  return success();
}

/// Arguments after the others, with their names, as far as any is there.
static void printOptional(SourceWriter &writer,
                          ArrayRef<std::pair<StringRef, Value>> arguments) {
  while (!arguments.empty() && !arguments.back().second)
    arguments = arguments.drop_back();
  for (auto [name, value] : arguments)
    writer.os << ", /*" << name << "=*/"
              << (value ? writer.use(value) : "nullptr");
}

static LogicalResult print(AttentionOp op, SourceWriter &writer) {
  if (failed(printAttentionShape(op, writer)))
    return failure();
  writer.os << writer.list(
      {op.getQ(), op.getK(), op.getV(), op.getO(), op.getLse()});
  printOptional(writer, {{"bias", op.getBias()}, {"lengths", op.getLengths()}});
  writer.os << ");\n";
  return success();
}

static LogicalResult print(AttentionBackwardOp op, SourceWriter &writer) {
  if (failed(printAttentionShape(op, writer)))
    return failure();
  writer.os << writer.list({op.getQ(), op.getK(), op.getV(), op.getO(),
                            op.getLse(), op.getDO(), op.getDQ(), op.getDK(),
                            op.getDV()});
  if (Value workspace = op.getWorkspace())
    writer.os << ", " << writer.use(workspace) << ", /*workspace_bytes=*/"
              << getByteSize(typeOf(workspace));
  else if (writer.isCUDA && (op.getBias() || op.getLengths()))
    writer.os << ", /*workspace=*/nullptr, /*workspace_bytes=*/0";
  printOptional(writer, {{"bias", op.getBias()},
                         {"lengths", op.getLengths()},
                         {"d_bias", op.getDBias()}});
  writer.os << ");\n";
  return success();
}

static LogicalResult print(RotaryOp op, SourceWriter &writer) {
  ArrayRef<int64_t> shape = typeOf(op.getX()).getShape();
  writer.call(
      op,
      ",\n         {.batch = " + Twine(shape[0]) +
          ", .seq = " + Twine(shape[1]) + ", .heads = " + Twine(op.getHeads()) +
          ", .head_dim = " + Twine(shape[2] / int64_t(op.getHeads())) +
          ", .rotary_dim = " + Twine(op.getRotaryDim()) + ", .interleaved = " +
          flag(op.getInterleaved()) + ", .inverse = " + flag(op.getInverse()) +
          ", .x_stride = " + Twine(getTokenStride(op.getX())) +
          ", .y_stride = " + Twine(getTokenStride(op.getY())) +
          ", .batched_angles = " + flag(typeOf(op.getCos()).getRank() == 3) +
          "}");
  return success();
}

static LogicalResult print(EmbeddingOp op, SourceWriter &writer) {
  ArrayRef<int64_t> table = typeOf(op.getTable()).getShape();
  writer.call(op, ", " + Twine(typeOf(op.getIds()).getNumElements()) + ", " +
                      Twine(table[1]) + ", " + Twine(table[0]));
  return success();
}

static LogicalResult print(EmbeddingBackwardOp op, SourceWriter &writer) {
  ArrayRef<int64_t> table = typeOf(op.getDTable()).getShape();
  writer.call(op, ", " + Twine(typeOf(op.getIds()).getNumElements()) + ", " +
                      Twine(table[1]) + ", " + Twine(table[0]) +
                      ", /*accumulate=*/" +
                      getAccumulate(op.getAccumulate(), op.getUnlessFirst()));
  return success();
}

/// Rows of `indices`, their length, and the length of what they point into.
static LogicalResult printGather(Operation *op, Value indices, Value wide,
                                 SourceWriter &writer) {
  ArrayRef<int64_t> shape = typeOf(indices).getShape();
  writer.call(op, ", /*rows=*/" +
                      Twine(ShapedType::getNumElements(shape.drop_back())) +
                      ", /*count=*/" + Twine(shape.back()) + ", /*width=*/" +
                      Twine(typeOf(wide).getShape().back()));
  return success();
}
static LogicalResult print(GatherElementsOp op, SourceWriter &writer) {
  return printGather(op, op.getIndices(), op.getSource(), writer);
}
static LogicalResult print(GatherElementsBackwardOp op, SourceWriter &writer) {
  return printGather(op, op.getIndices(), op.getTarget(), writer);
}

static LogicalResult printReduceRows(Operation *op, SourceWriter &writer) {
  ArrayRef<int64_t> shape = typeOf(op->getOperand(0)).getShape();
  writer.call(op, ", /*rows=*/" +
                      Twine(ShapedType::getNumElements(shape.drop_back())) +
                      ", /*cols=*/" + Twine(shape.back()));
  return success();
}
static LogicalResult print(SumRowsOp op, SourceWriter &writer) {
  return printReduceRows(op, writer);
}
static LogicalResult print(MaxRowsOp op, SourceWriter &writer) {
  return printReduceRows(op, writer);
}

static LogicalResult print(CopyOp op, SourceWriter &writer) {
  auto braces = [](ArrayRef<int64_t> numbers) {
    std::string text = "{";
    for (auto [i, number] : llvm::enumerate(numbers))
      text += (i ? ", " : "") + std::to_string(number);
    return text + "}";
  };
  MemRefType source = typeOf(op.getSource()), target = typeOf(op.getTarget());
  writer.comment(op, "copy " + getShapeText(source.getShape()));
  // A scalar is a vector of one.
  SmallVector<int64_t> shape(source.getShape());
  SmallVector<int64_t> from(source.getStridesAndOffset().first),
      to(target.getStridesAndOffset().first);
  if (shape.empty()) {
    shape = {1};
    from = to = {1};
  }
  writer.os << "  copy(" << writer.first << writer.list(op->getOperands())
            << ", " << braces(shape) << ", " << braces(from) << ", "
            << braces(to) << ");\n";
  return success();
}

static LogicalResult print(FillOp op, SourceWriter &writer) {
  MemRefType type = typeOf(op.getTarget());
  if (isStats(type))
    writer.os << "  clear(" << writer.first << writer.use(op.getTarget())
              << ");\n";
  else
    writer.os << "  fill(" << writer.first << writer.use(op.getTarget()) << ", "
              << type.getNumElements() << ", " << getFloatLiteral(op.getValue())
              << ");\n";
  return success();
}

void attachTensorSource(MLIRContext &context) {
  attachSource<GemmOp, AttentionOp, AttentionBackwardOp, RotaryOp, EmbeddingOp,
               EmbeddingBackwardOp, GatherElementsOp, GatherElementsBackwardOp,
               SumRowsOp, MaxRowsOp, CopyOp, FillOp>(context);
}

} // namespace fp8c::target
