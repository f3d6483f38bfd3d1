//===- TrainShapes.cpp - Builders, verifiers and folders of train ops -----===//

#include "Train/IR/Train.h"
#include "Train/IR/TrainRelations.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

using Shape = ArrayRef<int64_t>;

static Shape shapeOf(Value value) {
  return cast<ShapedType>(value.getType()).getShape();
}

static LogicalResult expectShape(Operation *op, Value value, StringRef what,
                                 Shape expected) {
  if (shapeOf(value) == expected)
    return success();
  InFlightDiagnostic diag = op->emitOpError() << what << " must have shape [";
  llvm::interleaveComma(expected, diag);
  return diag << "], but is " << value.getType();
}

//===----------------------------------------------------------------------===//
// Element-wise
//===----------------------------------------------------------------------===//

OpFoldResult CastOp::fold(FoldAdaptor) {
  // Only the identity: narrowing and widening again is not one.
  return getInput().getType() == getType() ? OpFoldResult(getInput())
                                           : OpFoldResult();
}

void CompareOp::build(OpBuilder &builder, OperationState &state,
                      Predicate predicate, Value lhs, Value rhs) {
  Type type = getBroadcastType(lhs.getType(), rhs.getType());
  build(builder, state, withElementType(type, builder.getI1Type()), predicate,
        lhs, rhs);
}
LogicalResult CompareOp::verify() {
  if (failed(verifyOneKind(*this, getOperands())))
    return failure();
  return verifyBroadcast(*this);
}

LogicalResult ConvertOp::verify() {
  if (isFloat(getInput()) && isFloat(getOutput()))
    return emitOpError("turns floats into floats, which is for train.cast");
  return success();
}
OpFoldResult ConvertOp::fold(FoldAdaptor) {
  return getInput().getType() == getType() ? OpFoldResult(getInput())
                                           : OpFoldResult();
}

void SelectOp::build(OpBuilder &builder, OperationState &state, Value condition,
                     Value positive, Value otherwise) {
  Type values = getBroadcastType(positive.getType(), otherwise.getType());
  build(builder, state,
        withElementType(getBroadcastType(values, condition.getType()),
                        getElementTypeOrSelf(values)),
        condition, positive, otherwise);
}
LogicalResult SelectOp::verify() {
  if (failed(
          verifyOneKind(*this, {getPositive(), getOtherwise(), getOutput()})))
    return failure();
  return verifyBroadcast(*this);
}

/// What a folded operand is everywhere, if it is one truth value.
static std::optional<bool> getTruth(Attribute operand) {
  auto splat = dyn_cast_or_null<SplatElementsAttr>(operand);
  if (!splat || !splat.getElementType().isInteger(1))
    return std::nullopt;
  return splat.getSplatValue<bool>();
}

OpFoldResult SelectOp::fold(FoldAdaptor adaptor) {
  std::optional<bool> truth = getTruth(adaptor.getCondition());
  if (!truth)
    return {};
  Value chosen = *truth ? getPositive() : getOtherwise();
  return chosen.getType() == getType() ? OpFoldResult(chosen) : OpFoldResult();
}

/// With a constant that is `neutral` everywhere the other operand, with its
/// opposite that constant.
template <typename Op>
static OpFoldResult foldLogical(Op op, Attribute lhs, Attribute rhs,
                                bool neutral) {
  for (auto [constant, value, other] :
       {std::tuple(lhs, op.getLhs(), op.getRhs()),
        {rhs, op.getRhs(), op.getLhs()}})
    if (std::optional<bool> truth = getTruth(constant)) {
      Value result = *truth == neutral ? other : value;
      if (result.getType() == op.getType())
        return result;
    }
  return {};
}
OpFoldResult AndOp::fold(FoldAdaptor adaptor) {
  return foldLogical(*this, adaptor.getLhs(), adaptor.getRhs(), true);
}
OpFoldResult OrOp::fold(FoldAdaptor adaptor) {
  return foldLogical(*this, adaptor.getLhs(), adaptor.getRhs(), false);
}
OpFoldResult NotOp::fold(FoldAdaptor) {
  auto source = getInput().getDefiningOp<NotOp>();
  return source ? OpFoldResult(source.getInput()) : OpFoldResult();
}

//===----------------------------------------------------------------------===//
// Reductions and normalisations
//===----------------------------------------------------------------------===//

static SmallVector<int64_t> reducedShape(Shape shape, Shape axes,
                                         bool keepdims) {
  SmallVector<int64_t> result;
  for (auto [i, size] : llvm::enumerate(shape)) {
    if (!llvm::is_contained(axes, static_cast<int64_t>(i)))
      result.push_back(size);
    else if (keepdims)
      result.push_back(1);
  }
  return result;
}

template <typename Op>
static void buildReduce(OpBuilder &builder, OperationState &state, Value input,
                        Shape axes, bool keepdims) {
  auto type = cast<RankedTensorType>(input.getType());
  Op::build(builder, state,
            RankedTensorType::get(reducedShape(type.getShape(), axes, keepdims),
                                  type.getElementType()),
            input, axes, keepdims);
}

template <typename Op> static LogicalResult verifyReduce(Op op) {
  int64_t rank = shapeOf(op.getInput()).size(), last = -1;
  for (int64_t axis : op.getAxes()) {
    if (axis <= last || axis >= rank)
      return op.emitOpError("axes must be ascending dimensions of ")
             << op.getInput().getType();
    last = axis;
  }
  if (failed(verifyOneKind(op, {op.getInput(), op.getOutput()})))
    return failure();
  return expectShape(
      op, op.getOutput(), "result",
      reducedShape(shapeOf(op.getInput()), op.getAxes(), op.getKeepdims()));
}

void ReduceSumOp::build(OpBuilder &builder, OperationState &state, Value input,
                        Shape axes, bool keepdims) {
  buildReduce<ReduceSumOp>(builder, state, input, axes, keepdims);
}
void ReduceMaxOp::build(OpBuilder &builder, OperationState &state, Value input,
                        Shape axes, bool keepdims) {
  buildReduce<ReduceMaxOp>(builder, state, input, axes, keepdims);
}
LogicalResult ReduceSumOp::verify() { return verifyReduce(*this); }
LogicalResult ReduceMaxOp::verify() { return verifyReduce(*this); }

/// Type of a per-row statistic: f32, the last dimension 1.
static Type rowStatistic(Type type) {
  SmallVector<int64_t> shape(cast<ShapedType>(type).getShape());
  shape.back() = 1;
  return RankedTensorType::get(shape, Float32Type::get(type.getContext()));
}

/// Normalisations and their VJPs: `wholes` have the shape of the input, `rows`
/// that of a weight, `statistics` one value per row of the input.
template <typename Op>
static LogicalResult verifyNorm(Op op, ValueRange wholes, ValueRange rows,
                                ValueRange statistics) {
  Shape shape = shapeOf(op.getInput());
  if (shape.empty())
    return op.emitOpError("needs an input of rank 1 or more");
  for (Value whole : wholes)
    if (failed(expectShape(
            op, whole, isa<OpResult>(whole) ? "result" : "cotangent", shape)))
      return failure();
  for (Value row : rows)
    if (failed(expectShape(op, row, "weight and bias", shape.take_back(1))))
      return failure();
  for (Value statistic : statistics)
    if (statistic.getType() != rowStatistic(op.getInput().getType()))
      return op.emitOpError("mean and rstd must be ")
             << rowStatistic(op.getInput().getType()) << ", but one is "
             << statistic.getType();
  return success();
}

void LayerNormOp::build(OpBuilder &builder, OperationState &state, Value input,
                        Value weight, Value bias, float epsilon) {
  Type statistic = rowStatistic(input.getType());
  build(builder, state, input.getType(), statistic, statistic, input, weight,
        bias, llvm::APFloat(epsilon));
}
LogicalResult LayerNormOp::verify() {
  return verifyNorm(*this, {getOutput()}, {getWeight(), getBias()},
                    {getMean(), getRstd()});
}
LogicalResult LayerNormApplyOp::verify() {
  return verifyNorm(*this, {getOutput()}, {getWeight(), getBias()},
                    {getMean(), getRstd()});
}
LogicalResult LayerNormVJPOp::verify() {
  return verifyNorm(*this, {getCotangent(), getOutput()}, {getWeight()},
                    {getMean(), getRstd()});
}
LogicalResult LayerNormParamsVJPOp::verify() {
  return verifyNorm(*this, {getCotangent()}, {getDweight(), getDbias()},
                    {getMean(), getRstd()});
}

void RMSNormOp::build(OpBuilder &builder, OperationState &state, Value input,
                      Value weight, float epsilon) {
  build(builder, state, input.getType(), rowStatistic(input.getType()), input,
        weight, llvm::APFloat(epsilon));
}
LogicalResult RMSNormOp::verify() {
  return verifyNorm(*this, {getOutput()}, {getWeight()}, {getRstd()});
}
LogicalResult RMSNormApplyOp::verify() {
  return verifyNorm(*this, {getOutput()}, {getWeight()}, {getRstd()});
}
LogicalResult RMSNormVJPOp::verify() {
  return verifyNorm(*this, {getCotangent(), getOutput()}, {getWeight()},
                    {getRstd()});
}
LogicalResult RMSNormParamsVJPOp::verify() {
  return verifyNorm(*this, {getCotangent()}, {getDweight()}, {getRstd()});
}

/// What goes over rows needs one.
static LogicalResult verifySoftmax(Operation *op) {
  if (shapeOf(op->getOperand(0)).empty())
    return op->emitOpError("needs an input of rank 1 or more");
  return success();
}
LogicalResult SoftmaxOp::verify() { return verifySoftmax(*this); }
LogicalResult LogSoftmaxOp::verify() { return verifySoftmax(*this); }
LogicalResult SoftmaxVJPOp::verify() { return verifySoftmax(*this); }

//===----------------------------------------------------------------------===//
// Contractions
//===----------------------------------------------------------------------===//

void MatmulOp::build(OpBuilder &builder, OperationState &state, Value lhs,
                     Value rhs, Shape lhsContracting, Shape rhsContracting,
                     int64_t batch) {
  Shape a = shapeOf(lhs), b = shapeOf(rhs);
  SmallVector<int64_t> shape(a.take_front(batch));
  auto appendFree = [&](Shape operand, Shape contracting) {
    for (int64_t i = batch, e = operand.size(); i < e; ++i)
      if (!llvm::is_contained(contracting, i))
        shape.push_back(operand[i]);
  };
  appendFree(a, lhsContracting);
  appendFree(b, rhsContracting);
  auto type = cast<RankedTensorType>(getBroadcastType(
      RankedTensorType::get({}, getElementTypeOrSelf(lhs.getType())),
      RankedTensorType::get({}, getElementTypeOrSelf(rhs.getType()))));
  // The default contraction is left unsaid.
  bool isDefault =
      lhsContracting == Shape(fp8::getLhsContractingDims({}, a.size())) &&
      rhsContracting == Shape(fp8::getRhsContractingDims({}, b.size()));
  auto attr = [&](Shape dims) {
    return isDefault ? DenseI64ArrayAttr() : builder.getDenseI64ArrayAttr(dims);
  };
  build(builder, state, RankedTensorType::get(shape, type.getElementType()),
        lhs, rhs, attr(lhsContracting), attr(rhsContracting), batch);
}

OpOperand &MatmulOp::getContractionLhs() { return getLhsMutable(); }
OpOperand &MatmulOp::getContractionRhs() { return getRhsMutable(); }
int64_t MatmulOp::getContractionBatchRank() { return getBatch(); }
bool MatmulOp::canBePadded() { return getBatch() == 0; }
SmallVector<int64_t> MatmulOp::getLhsContractingDims() {
  return fp8::getLhsContractingDims(getLhsContracting(),
                                    shapeOf(getLhs()).size());
}
SmallVector<int64_t> MatmulOp::getRhsContractingDims() {
  return fp8::getRhsContractingDims(getRhsContracting(),
                                    shapeOf(getRhs()).size());
}
LogicalResult MatmulOp::verify() {
  if (shapeOf(getLhs()).empty() || shapeOf(getRhs()).empty())
    return emitOpError("cannot contract scalars");
  if (getLhsContracting().has_value() != getRhsContracting().has_value())
    return emitOpError(
        "must say what it contracts of both operands or of neither");
  if (static_cast<int64_t>(getBatch()) < 0)
    return emitOpError("has a negative number of batch dimensions");
  return fp8::verifyContraction(
      *this, shapeOf(getLhs()), shapeOf(getRhs()), shapeOf(getOutput()),
      getBatch(), getLhsContractingDims(), getRhsContractingDims());
}

//===----------------------------------------------------------------------===//
// Shape operations
//===----------------------------------------------------------------------===//

/// What only moves elements may change one float type into another, no more.
static LogicalResult verifyElementTypes(Operation *op) {
  Type in = getElementTypeOrSelf(op->getOperand(0)),
       out = getElementTypeOrSelf(op->getResult(0));
  if (in == out || (isa<FloatType>(in) && isa<FloatType>(out)))
    return success();
  return op->emitOpError("cannot turn ") << in << " into " << out;
}

LogicalResult ReshapeOp::verify() {
  auto in = cast<RankedTensorType>(getInput().getType()),
       out = cast<RankedTensorType>(getType());
  if (in.getElementType() != out.getElementType() ||
      in.getNumElements() != out.getNumElements())
    return emitOpError(
               "must keep element type and number of elements, but goes from ")
           << in << " to " << out;
  return success();
}
OpFoldResult ReshapeOp::fold(FoldAdaptor) {
  if (getInput().getType() == getType())
    return getInput();
  if (auto source = getInput().getDefiningOp<ReshapeOp>()) {
    getInputMutable().assign(source.getInput());
    return getResult();
  }
  return {};
}

void TransposeOp::build(OpBuilder &builder, OperationState &state, Value input,
                        Shape permutation) {
  auto type = cast<RankedTensorType>(input.getType());
  build(builder, state,
        RankedTensorType::get(applyPermutation(type.getShape(), permutation),
                              type.getElementType()),
        input, permutation);
}
LogicalResult TransposeOp::verify() {
  Shape shape = shapeOf(getInput()), permutation = getPermutation();
  if (permutation.size() != shape.size() || !isPermutationVector(permutation))
    return emitOpError("expects a permutation of ")
           << shape.size() << " dimensions";
  if (failed(verifyElementTypes(*this)))
    return failure();
  return expectShape(*this, getOutput(), "result",
                     applyPermutation(shape, permutation));
}
OpFoldResult TransposeOp::fold(FoldAdaptor) {
  if (isIdentityPermutation(getPermutation()) &&
      getInput().getType() == getType())
    return getInput();
  auto source = getInput().getDefiningOp<TransposeOp>();
  if (!source || getElementTypeOrSelf(source.getInput()) !=
                     getElementTypeOrSelf(getInput()))
    return {};
  setPermutation(applyPermutation(source.getPermutation(), getPermutation()));
  getInputMutable().assign(source.getInput());
  return getResult();
}

LogicalResult BroadcastToOp::verify() {
  if (failed(verifyElementTypes(*this)))
    return failure();
  Type type = getBroadcastType(getInput().getType(), getType());
  if (!type || cast<ShapedType>(type).getShape() != shapeOf(getOutput()))
    return emitOpError() << getInput().getType() << " does not broadcast to "
                         << getType();
  return success();
}
OpFoldResult BroadcastToOp::fold(FoldAdaptor) {
  return getInput().getType() == getType() ? OpFoldResult(getInput())
                                           : OpFoldResult();
}

/// Slice and place relate a whole and a box of it.
static LogicalResult verifyBox(Operation *op, Shape whole, Shape box,
                               Shape offsets, Shape strides) {
  if (box.size() != whole.size() || offsets.size() != whole.size() ||
      strides.size() != whole.size())
    return op->emitOpError(
        "needs an offset and a stride per dimension and keeps the rank");
  for (size_t i = 0; i < whole.size(); ++i)
    if (offsets[i] < 0 || strides[i] < 1 ||
        (box[i] > 0 && (offsets[i] >= whole[i] ||
                        box[i] - 1 > (whole[i] - 1 - offsets[i]) / strides[i])))
      return op->emitOpError("leaves dimension ")
             << i << " of size " << whole[i] << ": offset " << offsets[i]
             << ", " << box[i] << " elements, stride " << strides[i];
  return success();
}
LogicalResult SliceOp::verify() {
  if (failed(verifyElementTypes(*this)))
    return failure();
  return verifyBox(*this, shapeOf(getInput()), shapeOf(getOutput()),
                   getOffsets(), getStrides());
}
LogicalResult PlaceOp::verify() {
  if (failed(verifyElementTypes(*this)))
    return failure();
  return verifyBox(*this, shapeOf(getOutput()), shapeOf(getInput()),
                   getOffsets(), getStrides());
}

/// Split and concat relate a whole and its consecutive parts.
static LogicalResult verifyParts(Operation *op, Value of, ValueRange parts,
                                 int64_t axis) {
  Shape whole = shapeOf(of);
  if (axis < 0 || axis >= static_cast<int64_t>(whole.size()))
    return op->emitOpError("axis ")
           << axis << " is no dimension of a tensor of rank " << whole.size();
  if (parts.empty())
    return op->emitOpError("needs at least one part");
  int64_t sum = 0;
  for (Value part : parts) {
    if (failed(verifyOneKind(op, {of, part})))
      return failure();
    SmallVector<int64_t> shape(shapeOf(part));
    if (shape.size() != whole.size())
      return op->emitOpError("parts must have the rank of the whole");
    sum += shape[axis];
    shape[axis] = whole[axis];
    if (Shape(shape) != whole)
      return op->emitOpError("parts may differ from the whole only along axis ")
             << axis;
  }
  if (sum != whole[axis])
    return op->emitOpError("parts add up to ")
           << sum << " along axis " << axis << ", not to " << whole[axis];
  return success();
}
LogicalResult SplitOp::verify() {
  return verifyParts(*this, getInput(), getParts(), getAxis());
}
LogicalResult ConcatOp::verify() {
  return verifyParts(*this, getOutput(), getParts(), getAxis());
}

//===----------------------------------------------------------------------===//
// Attention, embedding, loss
//===----------------------------------------------------------------------===//

LogicalResult train::verifyHeads(Operation *op, Value query, Value key,
                                 Value value, int64_t heads, int64_t kvHeads) {
  Shape q = shapeOf(query), k = shapeOf(key), v = shapeOf(value);
  if (heads < 1 || kvHeads < 1 || heads % kvHeads)
    return op->emitOpError() << heads << " query heads are no multiple of "
                             << kvHeads << " key heads";
  if (q[2] % heads || k[2] % kvHeads || v[2] % kvHeads ||
      q[2] / heads != k[2] / kvHeads)
    return op->emitOpError("query and key heads differ in width: ")
           << query.getType() << " in " << heads << " heads, " << key.getType()
           << " in " << kvHeads;
  if (k[0] != q[0] || v[0] != q[0] || k[1] != v[1])
    return op->emitOpError(
        "batch or number of tokens differ between the operands");
  return success();
}

LogicalResult train::verifyScores(Operation *op, ArrayRef<int64_t> scores,
                                  Value bias, Value lengths, bool causal,
                                  std::optional<int64_t> window,
                                  std::optional<APFloat> softcap) {
  auto shapeOfAny = [](Value value) {
    return cast<ShapedType>(value.getType()).getShape();
  };
  if (bias) {
    ArrayRef<int64_t> shape = shapeOfAny(bias);
    bool fits = shape.size() == scores.size();
    for (size_t i = 0; i < shape.size() && fits; ++i)
      fits = shape[i] == 1 || shape[i] == scores[i];
    if (!fits)
      return op->emitOpError("bias ")
             << bias.getType() << " does not broadcast to the scores ["
             << scores << "]";
  }
  if (lengths && shapeOfAny(lengths) != scores.take_front())
    return op->emitOpError("expects as many lengths as sequences, ")
           << scores[0] << ", but got " << lengths.getType();
  if (window && (!causal || *window < 1))
    return op->emitOpError(causal ? "sees a window of no keys"
                                  : "has a window, but is not causal");
  if (softcap && !(softcap->isFiniteNonZero() && !softcap->isNegative()))
    return op->emitOpError("caps its scores at a number that is not positive");
  return success();
}

template <typename Op> static LogicalResult verifyAttention(Op op) {
  Shape q = shapeOf(op.getQuery()), k = shapeOf(op.getKey()),
        v = shapeOf(op.getValue());
  int64_t heads = op.getHeads(), kvHeads = op.getKvHeads();
  if (q.size() != 3 || k.size() != 3 || v.size() != 3)
    return op.emitOpError("expects operands [batch, tokens, heads * dim]");
  if (failed(verifyHeads(op, op.getQuery(), op.getKey(), op.getValue(), heads,
                         kvHeads)))
    return failure();
  if (failed(expectShape(op, op.getOutput(), "output",
                         {q[0], q[1], v[2] / kvHeads * heads})) ||
      failed(verifyScores(op, {q[0], heads, q[1], k[1]}, op.getBias(),
                          op.getLengths(), op.getCausal(), op.getWindow(),
                          op.getSoftcap())))
    return failure();
  return expectShape(op, op.getLse(), "lse", {q[0], heads, q[1]});
}

LogicalResult AttentionOp::verify() { return verifyAttention(*this); }
LogicalResult AttentionVJPOp::verify() {
  if (failed(verifyAttention(*this)) ||
      failed(expectShape(*this, getCotangent(), "cotangent",
                         shapeOf(getOutput()))) ||
      failed(expectShape(*this, getDquery(), "dquery", shapeOf(getQuery()))) ||
      failed(expectShape(*this, getDkey(), "dkey", shapeOf(getKey()))))
    return failure();
  if (getDbias() && (!getBias() || getDbias().getType() != getBias().getType()))
    return emitOpError("dbias is not like bias");
  return expectShape(*this, getDvalue(), "dvalue", shapeOf(getValue()));
}

LogicalResult train::verifyAngles(Operation *op, Value rotated,
                                  ValueRange tables, int64_t rotaryDim) {
  Shape x = shapeOf(rotated);
  for (Value table : tables) {
    Shape shape = shapeOf(table);
    if ((shape.size() != 2 && (shape.size() != 3 || shape[0] != x[0])) ||
        shape[shape.size() - 2] != x[1] || shape.back() != rotaryDim / 2)
      return op->emitOpError("cos and sin must be [tokens, rotary_dim/2], with "
                             "or without batch, but got ")
             << table.getType();
  }
  return success();
}

LogicalResult RotaryOp::verify() {
  Shape x = shapeOf(getInput());
  int64_t heads = getHeads(), dim = getRotaryDim();
  if (x.size() != 3 || heads < 1 || x[2] % heads || dim < 2 || dim % 2 ||
      dim > x[2] / heads)
    return emitOpError("expects [batch, tokens, heads * dim] and an even "
                       "rotary_dim within a head");
  if (failed(verifyAngles(*this, getInput(), {getCos(), getSin()}, dim)))
    return failure();
  return expectShape(*this, getOutput(), "result", x);
}

static LogicalResult verifyEmbedding(Operation *op, Value table, Value ids,
                                     Value rows, StringRef what) {
  if (shapeOf(table).size() != 2)
    return op->emitOpError("expects a table [rows, width]");
  SmallVector<int64_t> shape(shapeOf(ids));
  shape.push_back(shapeOf(table)[1]);
  return expectShape(op, rows, what, shape);
}
LogicalResult EmbeddingOp::verify() {
  return verifyEmbedding(*this, getTable(), getIds(), getOutput(), "result");
}
LogicalResult EmbeddingVJPOp::verify() {
  return verifyEmbedding(*this, getDtable(), getIds(), getCotangent(),
                         "cotangent");
}

void GatherElementsOp::build(OpBuilder &builder, OperationState &state,
                             Value data, Value indices) {
  build(builder, state,
        withElementType(indices.getType(), getElementTypeOrSelf(data)), data,
        indices);
}
static LogicalResult verifyGather(Operation *op, Value data, Value indices,
                                  Value elements, StringRef what) {
  Shape rows = shapeOf(data), chosen = shapeOf(indices);
  if (rows.empty() || rows.size() != chosen.size() ||
      rows.drop_back() != chosen.drop_back())
    return op->emitOpError("expects data [..., N] and indices [..., M] of "
                           "equal leading dimensions, but got ")
           << data.getType() << " and " << indices.getType();
  return expectShape(op, elements, what, chosen);
}
LogicalResult GatherElementsOp::verify() {
  return verifyGather(*this, getData(), getIndices(), getOutput(), "result");
}
LogicalResult GatherElementsVJPOp::verify() {
  return verifyGather(*this, getDdata(), getIndices(), getCotangent(),
                      "cotangent");
}

void CrossEntropyOp::build(OpBuilder &builder, OperationState &state,
                           Value logits, Value labels, int64_t ignoreIndex) {
  Type scalar = RankedTensorType::get({}, builder.getF32Type());
  build(builder, state, scalar,
        RankedTensorType::get(shapeOf(labels), builder.getF32Type()), scalar,
        logits, labels, ignoreIndex, /*classes=*/IntegerAttr());
}
template <typename Op> static LogicalResult verifyCrossEntropy(Op op) {
  Shape logits = shapeOf(op.getLogits());
  if (logits.size() < 2)
    return op.emitOpError("expects logits [..., classes]");
  if (std::optional<int64_t> classes = op.getClasses())
    if (*classes < 1 || *classes > logits.back())
      return op.emitOpError("has ")
             << *classes << " classes, but rows of " << logits.back();
  if (failed(expectShape(op, op.getLabels(), "labels", logits.drop_back())))
    return failure();
  return expectShape(op, op.getLse(), "lse", logits.drop_back());
}
LogicalResult CrossEntropyOp::verify() { return verifyCrossEntropy(*this); }
LogicalResult CrossEntropyVJPOp::verify() {
  if (failed(verifyCrossEntropy(*this)))
    return failure();
  return expectShape(*this, getDlogits(), "dlogits", shapeOf(getLogits()));
}

//===----------------------------------------------------------------------===//
// Optimizer
//===----------------------------------------------------------------------===//

LogicalResult AdamWOp::verify() {
  for (Value value : {getGradient(), getMoment1(), getMoment2(),
                      getNewParameter(), getNewMoment1(), getNewMoment2()})
    if (failed(expectShape(*this, value, "gradient, moments and results",
                           shapeOf(getParameter()))))
      return failure();
  if (static_cast<bool>(getBound()) != static_cast<bool>(getClamps()))
    return emitOpError("counts clamps if and only if it has a bound");
  return verifyRelations(*this);
}
