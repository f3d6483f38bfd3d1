//===- ExecLibrary.cpp - Calls of the kernel library ----------------------===//
//
// A verifier says what the function would otherwise read or write past the end
// of, or misread.
//
//===----------------------------------------------------------------------===//

#include "Exec/IR/Exec.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::exec;

static Type elementOf(Value buffer) { return typeOf(buffer).getElementType(); }
static int64_t count(Value buffer) { return typeOf(buffer).getNumElements(); }

static LogicalResult expectCount(Operation *op, Value buffer, StringRef what,
                                 int64_t elements) {
  if (count(buffer) == elements)
    return success();
  return op->emitOpError() << what << " must hold " << elements
                           << " elements, but is " << buffer.getType();
}

static LogicalResult expectShape(Operation *op, Value buffer, StringRef what,
                                 ArrayRef<int64_t> shape) {
  if (typeOf(buffer).getShape() == shape)
    return success();
  InFlightDiagnostic error = op->emitOpError() << what << " must be [";
  llvm::interleaveComma(shape, error);
  return error << "], but is " << buffer.getType();
}

/// Checks that buffers hold elements of one type.
static LogicalResult expectOneType(Operation *op, ValueRange buffers) {
  for (Value buffer : buffers)
    if (elementOf(buffer) != elementOf(buffers.front()))
      return op->emitOpError("mixes elements of ")
             << elementOf(buffers.front()) << " and " << elementOf(buffer);
  return success();
}

/// Checks that the library may take buffers for arrays without gaps.
static LogicalResult expectDense(Operation *op, ValueRange buffers) {
  for (Value buffer : buffers)
    if (!isContiguous(typeOf(buffer)))
      return op->emitOpError("takes dense buffers, but got ")
             << buffer.getType();
  return success();
}

/// Checks that a buffer [batch, tokens, width] has its tokens at one stride.
static LogicalResult expectTokens(Operation *op, ValueRange buffers) {
  for (Value buffer : buffers) {
    MemRefType type = typeOf(buffer);
    if (type.getRank() != 3)
      return op->emitOpError("expects [batch, tokens, heads * dim], but got ")
             << type;
    if (!haveOneStride(type))
      return op->emitOpError("takes tokens at one stride, but got ") << type;
  }
  return success();
}

/// `unless_first` is a kind of accumulation.
template <typename Op> static LogicalResult verifyAccumulation(Op op) {
  if (op.getUnlessFirst() && !op.getAccumulate())
    return op.emitOpError("has unless_first without accumulate");
  return success();
}

static LogicalResult verifyFormat(Operation *op, Type format) {
  if (fp8::isFP8(format) || format.isF16())
    return success();
  return op->emitOpError("makes scales for ")
         << format << "; there are f8E4M3FN, f8E5M2 and f16";
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

int64_t exec::getGemmWorkspaceBytes(Value a, Value b, Value c) {
  int64_t bytes = 0;
  for (Value matrix : {a, b, c})
    if (!elementOf(matrix).isF32())
      bytes += llvm::alignTo(count(matrix) * 4, kAlignment);
  return bytes;
}

/// Checks the scales of one operand of a product.
static LogicalResult
verifyOperandScale(GemmOp op, Value scale,
                   std::optional<fp8::Granularity> granularity) {
  if (!granularity) {
    if (scale && !isScalePair(scale.getType()))
      return op.emitOpError("takes a scale and its inverse, memref<5xf32>, for "
                            "an FP8 operand without a granularity, but got ")
             << scale.getType();
    return success();
  }
  if (*granularity == fp8::Granularity::Tensor)
    return op.emitOpError("granularity must be row, 1x128 or 128x128, but is "
                          "tensor");
  if (!scale || op.getBatch() != 1)
    return op.emitOpError(
        "only FP8 operands have a granularity, without batch");
  return success();
}

/// The inverses of an operand's tiles; `rows` are along what is not contracted.
static LogicalResult
verifyTileScales(GemmOp op, Value scale,
                 std::optional<fp8::Granularity> granularity, int64_t rows) {
  if (!granularity)
    return success();
  int64_t blocks = llvm::divideCeil<int64_t>(op.getK(), fp8::kBlockSize);
  int64_t least =
      granularity == fp8::Granularity::Row ? rows
      : granularity == fp8::Granularity::Block1x128
          ? rows * blocks
          : llvm::divideCeil<int64_t>(rows, fp8::kBlockSize) * blocks;
  if (count(scale) < least)
    return op.emitOpError("needs the inverse scales of ")
           << least << " tiles, but got " << scale.getType();
  return success();
}

LogicalResult GemmOp::verify() {
  int64_t batch = getBatch(), m = getM(), n = getN(), k = getK();
  if (count(getA()) != batch * m * k || count(getB()) != batch * k * n ||
      count(getC()) != batch * m * n)
    return emitOpError("buffers do not hold ")
           << batch << " matrices of m = " << m << ", n = " << n
           << ", k = " << k;
  if (fp8::isFP8(elementOf(getA())) != static_cast<bool>(getScaleA()) ||
      fp8::isFP8(elementOf(getB())) != static_cast<bool>(getScaleB()))
    return emitOpError("FP8 operands need scales, and only they");
  for (Value buffer : {getA(), getB(), getC()})
    if (!isa<FloatType>(elementOf(buffer)))
      return emitOpError("multiplies floats, but got ") << buffer.getType();
  if (failed(expectDense(*this, {getA(), getB(), getC()})) ||
      failed(verifyOperandScale(*this, getScaleA(), getGranularityA())) ||
      failed(verifyOperandScale(*this, getScaleB(), getGranularityB())) ||
      failed(verifyTileScales(*this, getScaleA(), getGranularityA(), m)) ||
      failed(verifyTileScales(*this, getScaleB(), getGranularityB(), n)) ||
      failed(verifyAccumulation(*this)))
    return failure();
  if (Value bias = getBias();
      bias && (count(bias) != n || elementOf(bias) != elementOf(getC())))
    return emitOpError("adds a bias of c's type with n = ")
           << n << " elements, but got " << bias.getType();
  if (Value workspace = getWorkspace();
      workspace && getByteSize(typeOf(workspace)) <
                       getGemmWorkspaceBytes(getA(), getB(), getC()))
    return emitOpError("needs a workspace of ")
           << getGemmWorkspaceBytes(getA(), getB(), getC())
           << " bytes, but got " << workspace.getType();
  return success();
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

template <typename Op> static LogicalResult verifyAttention(Op op) {
  Value q = op.getQ(), k = op.getK(), v = op.getV();
  if (failed(expectTokens(op, {q, k, v, op.getO()})) ||
      failed(expectOneType(op, {q, k, v, op.getO()})) ||
      failed(expectDense(op, op.getLse())))
    return failure();
  int64_t heads = op.getHeads(), kvHeads = op.getKvHeads();
  if (failed(train::verifyHeads(op, q, k, v, heads, kvHeads)))
    return failure();
  ArrayRef<int64_t> query = typeOf(q).getShape();
  if (failed(expectShape(
          op, op.getO(), "o",
          {query[0], query[1], typeOf(v).getDimSize(2) / kvHeads * heads})) ||
      failed(train::verifyScores(
          op, {query[0], heads, query[1], typeOf(k).getDimSize(1)},
          op.getBias(), op.getLengths(), op.getCausal(), op.getWindow(),
          op.getSoftcap())))
    return failure();
  for (Value optional : {Value(op.getBias()), Value(op.getLengths())})
    if (optional && failed(expectDense(op, optional)))
      return failure();
  return expectCount(op, op.getLse(), "lse", query[0] * heads * query[1]);
}

LogicalResult AttentionOp::verify() { return verifyAttention(*this); }

LogicalResult AttentionBackwardOp::verify() {
  if (failed(verifyAttention(*this)) ||
      failed(expectDense(*this, {getDO(), getO()})) ||
      failed(expectTokens(*this, {getDQ(), getDK(), getDV()})) ||
      failed(
          expectOneType(*this, {getQ(), getDO(), getDQ(), getDK(), getDV()})))
    return failure();
  for (auto [gradient, of, name] : {std::tuple(getDO(), getO(), "d_o"),
                                    {getDQ(), getQ(), "d_q"},
                                    {getDK(), getK(), "d_k"},
                                    {getDV(), getV(), "d_v"}})
    if (failed(expectShape(*this, gradient, name, typeOf(of).getShape())))
      return failure();
    else if (typeOf(gradient).getStridesAndOffset().first !=
             typeOf(of).getStridesAndOffset().first)
      return emitOpError() << name << " lies at other strides than what it is "
                           << "of: " << gradient.getType() << " and "
                           << of.getType();
  if (getDBias()) {
    if (!getBias())
      return emitOpError("has the gradient of a bias that is not there");
    if (failed(expectDense(*this, getDBias())) ||
        failed(expectShape(*this, getDBias(), "d_bias",
                           typeOf(getBias()).getShape())))
      return failure();
  }
  int64_t batch = typeOf(getQ()).getDimSize(0), parts = getParts();
  if (parts < 1 || batch % parts)
    return emitOpError("cuts a batch of ")
           << batch << " into " << parts << " parts";
  return success();
}

/// Numbers of every row of scores (runtime/kernels/cuda/attention.cuh), or for
/// cuDNN lengths and a bias for every query and key.
int64_t AttentionBackwardOp::getSharedWorkspaceBytes() {
  if (!getBias() && !getLengths() && !getSoftcap() && !getWindow() &&
      !typeOf(getQ()).getElementType().isF32())
    return 0; // cuDNN's own workspace
  ArrayRef<int64_t> q = typeOf(getQ()).getShape();
  int64_t rows = q[0] * int64_t(getHeads()) * q[1] * 12, given = q[0] * 4;
  if (getBias()) {
    ArrayRef<int64_t> bias = typeOf(getBias()).getShape();
    int64_t keys = typeOf(getK()).getDimSize(1);
    if (bias[2] != q[1] || bias[3] != keys)
      given += bias[0] * bias[1] * q[1] * keys * 4;
  }
  return std::max(rows, given);
}

LogicalResult RotaryOp::verify() {
  if (failed(expectTokens(*this, {getX(), getY()})) ||
      failed(expectOneType(*this, {getX(), getY()})) ||
      failed(expectDense(*this, {getCos(), getSin()})) ||
      failed(expectShape(*this, getY(), "y", typeOf(getX()).getShape())))
    return failure();
  ArrayRef<int64_t> x = typeOf(getX()).getShape();
  int64_t heads = getHeads(), dim = getRotaryDim();
  if (heads < 1 || x[2] % heads || dim < 2 || dim % 2 || dim > x[2] / heads)
    return emitOpError("turns an even rotary_dim within a head, but got ")
           << dim << " of " << getX().getType() << " in " << heads << " heads";
  return train::verifyAngles(*this, getX(), {getCos(), getSin()}, dim);
}

bool RotaryOp::mayOverwrite(OpOperand &input, OpOperand &output,
                            const SymbolTable &) {
  return input.get() == getX() && output.get() == getY();
}

//===----------------------------------------------------------------------===//
// Tables
//===----------------------------------------------------------------------===//

static LogicalResult verifyEmbedding(Operation *op, Value table, Value ids,
                                     Value rows) {
  if (typeOf(table).getRank() != 2)
    return op->emitOpError("expects a table [rows, width], but got ")
           << table.getType();
  if (failed(expectDense(op, {table, ids, rows})))
    return failure();
  return expectCount(op, rows, "rows by their ids",
                     count(ids) * typeOf(table).getDimSize(1));
}

LogicalResult EmbeddingOp::verify() {
  return verifyEmbedding(*this, getTable(), getIds(), getOutput());
}

LogicalResult EmbeddingBackwardOp::verify() {
  if (failed(verifyEmbedding(*this, getDTable(), getIds(), getCotangent())))
    return failure();
  return verifyAccumulation(*this);
}

int64_t EmbeddingBackwardOp::getSharedWorkspaceBytes() {
  // Ids and positions with copies of both, twice because a radix sort moves
  // them back and forth, then two f32 rows for every `stretch` sorted ids
  // (runtime/kernels/cuda/embedding.cuh).
  constexpr int64_t stretch = 16;
  int64_t ids = count(getIds()), width = typeOf(getDTable()).getDimSize(1);
  return 3 * ids * 12 + 2 * llvm::divideCeil(ids, stretch) * width * 4;
}

/// `wide` [rows, width] and `narrow`, like the indices [rows, count].
static LogicalResult verifyGather(Operation *op, Value wide, Value narrow,
                                  Value indices) {
  if (failed(expectDense(op, {wide, narrow, indices})) ||
      failed(expectShape(op, narrow, "what is gathered",
                         typeOf(indices).getShape())))
    return failure();
  if (typeOf(wide).getRank() < 1 || typeOf(wide).getShape().drop_back() !=
                                        typeOf(indices).getShape().drop_back())
    return op->emitOpError("gathers along the last dimension, but ")
           << wide.getType() << " and " << indices.getType()
           << " differ in others";
  return success();
}
LogicalResult GatherElementsOp::verify() {
  return verifyGather(*this, getSource(), getTarget(), getIndices());
}
LogicalResult GatherElementsBackwardOp::verify() {
  return verifyGather(*this, getTarget(), getSource(), getIndices());
}

//===----------------------------------------------------------------------===//
// Integers
//===----------------------------------------------------------------------===//

static LogicalResult verifyReduceRows(Operation *op, Value source,
                                      Value target) {
  if (failed(expectDense(op, {source, target})) ||
      failed(expectOneType(op, {source, target})))
    return failure();
  ArrayRef<int64_t> shape = typeOf(source).getShape();
  if (shape.empty())
    return op->emitOpError("reduces rows, but got one number");
  return expectCount(op, target, "the result",
                     ShapedType::getNumElements(shape.drop_back()));
}
LogicalResult SumRowsOp::verify() {
  return verifyReduceRows(*this, getSource(), getTarget());
}
LogicalResult MaxRowsOp::verify() {
  return verifyReduceRows(*this, getSource(), getTarget());
}

//===----------------------------------------------------------------------===//
// Losses
//===----------------------------------------------------------------------===//

template <typename Op> static LogicalResult verifyLoss(Op op) {
  Value logits = op.getLogits();
  MemRefType type = typeOf(logits);
  if (type.getRank() < 1)
    return op.emitOpError("expects logits [rows, classes], but got ") << type;
  if (failed(expectDense(op, {logits, op.getLabels()})))
    return failure();
  int64_t width = type.getShape().back();
  int64_t classes = op.getClasses().value_or(width);
  if (classes < 1 || classes > width)
    return op.emitOpError("has ") << classes << " classes in rows of " << width;
  return expectCount(op, op.getLabels(), "labels",
                     ShapedType::getNumElements(type.getShape().drop_back()));
}

/// Checks that a gradient is like its logits.
template <typename Op> static LogicalResult verifyLogitsGradient(Op op) {
  if (failed(expectDense(op, op.getDLogits())))
    return failure();
  return expectShape(op, op.getDLogits(), "d_logits",
                     typeOf(op.getLogits()).getShape());
}

LogicalResult CountLabelsOp::verify() {
  return expectDense(*this, getLabels());
}
LogicalResult MeanLossOp::verify() {
  return expectDense(*this, getRowLosses());
}
LogicalResult CrossEntropyOp::verify() {
  if (failed(verifyLoss(*this)))
    return failure();
  return expectCount(*this, getLse(), "lse", count(getLabels()));
}
LogicalResult CrossEntropyBackwardOp::verify() {
  if (failed(verifyLoss(*this)) || failed(verifyLogitsGradient(*this)))
    return failure();
  return expectCount(*this, getLse(), "lse", count(getLabels()));
}
LogicalResult CrossEntropyRowsOp::verify() {
  if (failed(verifyLoss(*this)))
    return failure();
  return expectCount(*this, getRowLosses(), "row_losses", count(getLabels()));
}
LogicalResult CrossEntropyFusedOp::verify() {
  if (failed(verifyLoss(*this)) || failed(verifyLogitsGradient(*this)))
    return failure();
  return expectCount(*this, getRowLosses(), "row_losses", count(getLabels()));
}

bool CrossEntropyBackwardOp::mayOverwrite(OpOperand &input, OpOperand &output,
                                          const SymbolTable &) {
  return input.get() == getLogits() && output.get() == getDLogits();
}
bool CrossEntropyRowsOp::isRowByRow() { return true; }
bool CrossEntropyFusedOp::isRowByRow() { return true; }

//===----------------------------------------------------------------------===//
// Gradients
//===----------------------------------------------------------------------===//

LogicalResult AccumulateOp::verify() {
  if (failed(expectDense(*this, {getSource(), getTarget()})) ||
      failed(expectCount(*this, getSource(), "the source", count(getTarget()))))
    return failure();
  return verifyAccumulation(*this);
}
LogicalResult ClearIfFirstOp::verify() {
  return expectDense(*this, getTarget());
}
LogicalResult ClipCoefficientOp::verify() {
  if (getSums().empty())
    return emitOpError("needs the sum of squares of one gradient at least");
  return success();
}

//===----------------------------------------------------------------------===//
// Scales
//===----------------------------------------------------------------------===//

LogicalResult ComputeScaleOp::verify() {
  if (getPairs().empty())
    return emitOpError("makes no scale");
  return verifyFormat(*this, getFormat());
}

LogicalResult QuantizeTilesOp::verify() {
  int64_t rows = getRows(), cols = getCols(), tileRows = getTileRows(),
          tileCols = getTileCols();
  if (rows < 1 || cols < 1 || tileRows < 1 || tileCols < 1)
    return emitOpError("needs sizes of at least 1");
  if (failed(expectDense(*this, getOperands())) ||
      failed(expectCount(*this, getInput(), "the input", rows * cols)) ||
      failed(expectCount(*this, getCodes(), "codes", rows * cols)))
    return failure();
  int64_t least =
      llvm::divideCeil(rows, tileRows) * llvm::divideCeil(cols, tileCols);
  if (count(getScaleInv()) < least)
    return emitOpError("makes ")
           << least << " tiles, more than " << getScaleInv().getType()
           << " has inverse scales for";
  return success();
}

//===----------------------------------------------------------------------===//
// Several processes
//===----------------------------------------------------------------------===//

int64_t exec::countParts(Value input, Value output) {
  int64_t all = count(input), one = count(output);
  return one && all % one == 0 ? all / one : 0;
}

int64_t exec::getJoinScratchBytes(ValueRange inputs, ValueRange outputs,
                                  int64_t processes) {
  // As part_size in runtime/kernels/common/collectives.h: kernels take 16
  // elements at once. What lies between neighbours travels along.
  int64_t bytes = 0;
  for (auto [input, output] : llvm::zip(inputs, outputs)) {
    int64_t size = elementOf(output).getIntOrFloatBitWidth() / 8;
    int64_t elements = llvm::alignTo(count(output) * size, kAlignment) / size;
    bytes += countParts(input, output) * (processes - 1) * size *
             llvm::alignTo(llvm::divideCeil(elements, processes), 16);
  }
  return bytes;
}

int64_t exec::getScatterScratchBytes(ValueRange outputs, int64_t processes) {
  int64_t bytes = 0;
  for (Value output : outputs)
    bytes += (processes - 1) * elementOf(output).getIntOrFloatBitWidth() / 8 *
             llvm::alignTo(count(output), 16);
  return bytes;
}

int64_t exec::getAgreeScratchBytes(int64_t stats, int64_t processes) {
  return stats * 3 * 4 * processes;
}

static LogicalResult verifyScratch(Operation *op, Value scratch,
                                   int64_t least) {
  if (count(scratch) >= least)
    return success();
  return op->emitOpError("needs ")
         << least << " bytes of scratch, but got " << scratch.getType();
}

/// Checks that each input is of its output's type, or as many parts of it as
/// the others.
static LogicalResult expectPairs(Operation *op, ValueRange inputs,
                                 ValueRange outputs) {
  if (inputs.empty())
    return op->emitOpError("joins nothing");
  if (inputs.size() != outputs.size())
    return op->emitOpError("has ")
           << inputs.size() << " inputs, but " << outputs.size() << " outputs";
  int64_t parts = exec::countParts(inputs.front(), outputs.front());
  for (auto [input, output] : llvm::zip(inputs, outputs))
    if (elementOf(input) != elementOf(output) || !parts ||
        exec::countParts(input, output) != parts)
      return op->emitOpError("makes ")
             << output.getType() << " of " << input.getType();
  return success();
}

/// Each output may lie where its own input does.
static bool areOneTensor(OperandRange inputs, OperandRange outputs,
                         OpOperand &input, OpOperand &output) {
  unsigned in = input.getOperandNumber() - inputs.getBeginOperandIndex(),
           out = output.getOperandNumber() - outputs.getBeginOperandIndex();
  return in < inputs.size() && in == out;
}

/// Checks what all ops have that join tensors.
template <typename Op> static LogicalResult verifyJoin(Op op) {
  if (failed(train::verifyAxes(op, op.getAxes())) ||
      failed(expectDense(op, op->getOperands())) ||
      failed(expectPairs(op, op.getInputs(), op.getOutputs())))
    return failure();
  return verifyScratch(
      op, op.getScratch(),
      getJoinScratchBytes(op.getInputs(), op.getOutputs(),
                          train::countProcesses(op, op.getAxes())));
}

LogicalResult AllReduceOp::verify() { return verifyJoin(*this); }

bool AllReduceOp::mayOverwrite(OpOperand &input, OpOperand &output,
                               const SymbolTable &) {
  return areOneTensor(getInputs(), getOutputs(), input, output);
}

/// Checks that codes are of one format, and have scales.
template <typename Op> static LogicalResult verifyCodes(Op op) {
  if (op.getPairs().size() != op.getInputs().size() ||
      op.getOutputPairs().size() != op.getInputs().size())
    return op.emitOpError("needs a scale of each tensor, before and after");
  return expectOneType(op, op.getInputs());
}

LogicalResult AllReduceCodesOp::verify() {
  if (failed(verifyCodes(*this)))
    return failure();
  if (getNative() &&
      exec::countParts(getInputs().front(), getOutputs().front()) != 1)
    return emitOpError("sums parts natively");
  return verifyJoin(*this);
}

/// Checks that each of `wholes` has the shares of all processes; `shares` may
/// be wholes themselves.
static LogicalResult expectShares(Operation *op, ArrayAttr axes,
                                  ValueRange shares, ValueRange wholes,
                                  bool areWholes = false) {
  if (failed(train::verifyAxes(op, axes)) ||
      failed(expectDense(op, op->getOperands())))
    return failure();
  if (wholes.empty() || shares.size() != wholes.size())
    return op->emitOpError("has ")
           << shares.size() << " buffers for " << wholes.size();
  int64_t processes = train::countProcesses(op, axes);
  for (auto [share, whole] : llvm::zip(shares, wholes))
    if (elementOf(share) != elementOf(whole) || count(whole) % processes != 0 ||
        count(share) * (areWholes ? 1 : processes) != count(whole))
      return op->emitOpError("cannot share out ")
             << whole.getType() << " among " << processes << " as "
             << share.getType();
  return success();
}

LogicalResult AllGatherOp::verify() {
  return expectShares(*this, getAxes(), getInputs(), getOutputs());
}

LogicalResult AllToAllOp::verify() {
  return expectShares(*this, getAxes(), getInputs(), getOutputs(),
                      /*areWholes=*/true);
}

/// Checks what all ops have that give each process its share of a sum.
template <typename Op> static LogicalResult verifyScatter(Op op) {
  if (failed(expectShares(op, op.getAxes(), op.getOutputs(), op.getInputs())))
    return failure();
  return verifyScratch(
      op, op.getScratch(),
      getScatterScratchBytes(op.getOutputs(),
                             train::countProcesses(op, op.getAxes())));
}

LogicalResult ReduceScatterOp::verify() { return verifyScatter(*this); }

LogicalResult ReduceScatterCodesOp::verify() {
  if (failed(verifyCodes(*this)))
    return failure();
  return verifyScatter(*this);
}

LogicalResult ScaleByOp::verify() {
  if (getPairs().empty())
    return emitOpError("makes no scale");
  for (Value factor : getFactors())
    if (failed(expectCount(*this, factor, "a factor", 1)))
      return failure();
  return success();
}

LogicalResult AdjustMuOp::verify() {
  if (failed(train::verifyAxes(*this, getAxes())) ||
      failed(expectDense(*this, getSums())))
    return failure();
  if (getMus().empty() || getMus().size() != getSums().size())
    return emitOpError("has ")
           << getMus().size() << " factors for " << getSums().size() << " sums";
  for (Value mu : getMus())
    if (failed(expectCount(*this, mu, "a factor", 1)))
      return failure();
  if (failed(expectOneType(*this, getSums())))
    return failure();
  return verifyScratch(*this, getScratch(),
                       4 * static_cast<int64_t>(getMus().size()));
}

bool AllReduceCodesOp::mayOverwrite(OpOperand &input, OpOperand &output,
                                    const SymbolTable &) {
  return areOneTensor(getInputs(), getOutputs(), input, output);
}

LogicalResult PutPartOp::verify() {
  if (failed(expectDense(*this, {getInput(), getParts()})))
    return failure();
  if (elementOf(getInput()) != elementOf(getParts()) ||
      !countParts(getParts(), getInput()))
    return emitOpError("puts ")
           << getInput().getType() << " into parts of " << getParts().getType();
  return success();
}

LogicalResult AgreeStatsOp::verify() {
  if (failed(train::verifyAxes(*this, getAxes())))
    return failure();
  int64_t all = getStats().size() + getStates().size();
  if (!all)
    return emitOpError("joins nothing");
  return verifyScratch(
      *this, getScratch(),
      getAgreeScratchBytes(all, train::countProcesses(*this, getAxes())));
}

LogicalResult AdvanceScaleOp::verify() {
  if (getStates().empty())
    return emitOpError("advances no state");
  for (Value state : getStates())
    if (state.getType() != getStates().front().getType())
      return emitOpError("advances states of one window, but got ")
             << getStates().front().getType() << " and " << state.getType();
  return verifyFormat(*this, getFormat());
}

LogicalResult UpdateScalesOp::verify() {
  size_t variables = getPairs().size();
  if (getStats().size() != variables || getGradients().size() != variables ||
      getRoles().size() != variables || getFormats().size() != variables ||
      getGradientFormats().size() != variables ||
      getDecays().size() != variables || getRoots().size() != variables)
    return emitOpError("needs statistics, a gradient, a role, formats, decay "
                       "and root for each of ")
           << variables << " pairs";
  for (auto [gradient, format] :
       llvm::zip(getGradients(), getGradientFormats()))
    if (isa<TypeAttr>(format) ? !isScalePair(gradient.getType())
                              : !isStats(gradient.getType()))
      return emitOpError("bounds a gradient by its scale, where it has a "
                         "format, or by its statistics, but got ")
             << gradient.getType();
  for (Attribute format : getFormats())
    if (failed(verifyFormat(*this, cast<TypeAttr>(format).getValue())))
      return failure();
  return expectCount(*this, getPrevious(), "previous",
                     kScalePairWords * static_cast<int64_t>(variables));
}

//===----------------------------------------------------------------------===//
// Moves
//===----------------------------------------------------------------------===//

LogicalResult CopyOp::verify() {
  if (isa<FloatType>(elementOf(getSource())) !=
      isa<FloatType>(elementOf(getTarget())))
    return emitOpError("copies floats to floats and integers to integers, not ")
           << getSource().getType() << " to " << getTarget().getType();
  return expectShape(*this, getTarget(), "the target",
                     typeOf(getSource()).getShape());
}

LogicalResult FillOp::verify() {
  if (failed(expectDense(*this, getTarget())))
    return failure();
  if (!isa<FloatType>(elementOf(getTarget())) && !getValue().isPosZero())
    return emitOpError("fills integers with anything but 0");
  return success();
}
