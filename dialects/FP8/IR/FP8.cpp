//===- FP8.cpp - The fp8 dialect ------------------------------------------===//

#include "FP8/IR/FP8.h"

#include "mlir/Dialect/Utils/IndexingUtils.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::fp8;

#include "FP8/IR/FP8Dialect.cpp.inc"
#include "FP8/IR/FP8Enums.cpp.inc"
#include "FP8/IR/FP8Interfaces.cpp.inc"

/// One type for all results, or an array of one for each.
static ParseResult parseResultTypes(AsmParser &parser,
                                    SmallVector<Type> &types) {
  if (failed(parser.parseOptionalLSquare()))
    return parser.parseType(types.emplace_back());
  return failure(parser.parseTypeList(types) || parser.parseRSquare());
}
static void printResultTypes(AsmPrinter &printer, ArrayRef<Type> types) {
  bool isArray = types.size() != 1;
  printer << (isArray ? "[" : "");
  llvm::interleaveComma(types, printer);
  printer << (isArray ? "]" : "");
}

#define GET_ATTRDEF_CLASSES
#include "FP8/IR/FP8Attrs.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "FP8/IR/FP8Types.cpp.inc"

void FP8Dialect::initialize() {
  registerAttributes();
  registerTypes();
  addOperations<
#define GET_OP_LIST
#include "FP8/IR/FP8Ops.cpp.inc"
      >();
}

void FP8Dialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "FP8/IR/FP8Attrs.cpp.inc"
      >();
}

void FP8Dialect::registerTypes() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "FP8/IR/FP8Types.cpp.inc"
      >();
}

LogicalResult OperandAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                  FloatType format, Scaling scaling,
                                  int64_t window, int64_t margin, bool pow2,
                                  Granularity granularity) {
  if (!fp8::isFP8(format) && !isWide(format))
    return emitError() << "an operand's format is f32, bf16, f16, f8E4M3FN or "
                          "f8E5M2, but this is "
                       << format;
  bool isDelayed = scaling == Scaling::Delayed;
  if (!fp8::isFP8(format) && (scaling != Scaling::Current || window || margin ||
                              pow2 || granularity != Granularity::Tensor))
    return emitError() << format << " has no scale to find";
  if (isDelayed != (window > 0) || window < 0)
    return emitError() << "delayed scaling, and no other, has a window of at "
                          "least one amax, but this is "
                       << stringifyScaling(scaling) << " with window "
                       << window;
  if (margin < 0)
    return emitError() << "the margin is a number of binades, not negative, "
                          "but this is "
                       << margin;
  if (granularity != Granularity::Tensor && scaling != Scaling::Current)
    return emitError() << "only one scale per tensor can be "
                       << stringifyScaling(scaling)
                       << ", but the granularity is "
                       << stringifyGranularity(granularity);
  return success();
}

double fp8::maxFinite(FloatType format) {
  return llvm::APFloat::getLargest(format.getFloatSemantics())
      .convertToDouble();
}

ArrayRef<int64_t> fp8::getShape(Type type) {
  if (isa<ScaleType>(type))
    return {};
  if (auto scaled = dyn_cast<ScaledType>(type))
    return scaled.getShape();
  return cast<ShapedType>(type).getShape();
}

//===----------------------------------------------------------------------===//
// Granularity
//===----------------------------------------------------------------------===//

/// Tile sizes that cut `size` consecutive elements out of the dimensions, seen
/// as one; false if a block would cross the end of a dimension.
static bool cut(ArrayRef<int64_t> shape, MutableArrayRef<int64_t> tile,
                int64_t size) {
  for (auto [dim, tileSize] :
       llvm::zip(llvm::reverse(shape), llvm::reverse(tile))) {
    tileSize = std::min(dim, size);
    if (std::max(dim, size) % std::max<int64_t>(tileSize, 1))
      return false;
    size /= std::max<int64_t>(tileSize, 1);
  }
  return size == 1;
}

std::optional<SmallVector<int64_t>>
fp8::getTile(Granularity granularity, ArrayRef<int64_t> shape,
             ArrayRef<int64_t> contracting) {
  if (granularity == Granularity::Tensor)
    return SmallVector<int64_t>();
  SmallVector<int64_t> tile(shape.size(), 1);
  if (granularity == Granularity::Block128x128) {
    if (shape.size() != 2)
      return std::nullopt;
    return SmallVector<int64_t>{kBlockSize, kBlockSize};
  }
  MutableArrayRef<int64_t> along = MutableArrayRef<int64_t>(tile).slice(
      contracting.front(), contracting.size());
  if (granularity == Granularity::Row)
    llvm::fill(along, ShapedType::kDynamic);
  else if (!cut(shape.slice(contracting.front(), contracting.size()), along,
                kBlockSize))
    return std::nullopt;
  return tile;
}

std::optional<Granularity> fp8::getGranularity(ScaledType type,
                                               ArrayRef<int64_t> contracting) {
  for (Granularity granularity :
       {Granularity::Tensor, Granularity::Row, Granularity::Block1x128,
        Granularity::Block128x128})
    if (auto tile = getTile(granularity, type.getShape(), contracting);
        tile && ArrayRef<int64_t>(*tile) == type.getTile())
      return granularity;
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// !fp8.scaled
//===----------------------------------------------------------------------===//

Type ScaledType::parse(AsmParser &parser) {
  SmallVector<int64_t> shape, tile;
  Type element;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseLess() ||
      parser.parseDimensionList(shape, /*allowDynamic=*/false) ||
      parser.parseType(element))
    return {};
  if (succeeded(parser.parseOptionalComma())) {
    auto parseSize = [&]() -> ParseResult {
      if (succeeded(parser.parseOptionalQuestion())) {
        tile.push_back(ShapedType::kDynamic);
        return success();
      }
      return parser.parseInteger(tile.emplace_back());
    };
    if (parser.parseKeyword("tile") || parser.parseLess() ||
        parser.parseCommaSeparatedList(AsmParser::Delimiter::Square,
                                       parseSize) ||
        parser.parseGreater())
      return {};
  }
  if (parser.parseGreater())
    return {};
  auto storage = dyn_cast<FloatType>(element);
  if (!storage) {
    parser.emitError(loc,
                     "the storage must be f8E4M3FN, f8E5M2 or f16, but is ")
        << element;
    return {};
  }
  return parser.getChecked<ScaledType>(parser.getContext(), shape, storage,
                                       tile);
}

void ScaledType::print(AsmPrinter &printer) const {
  printer << '<';
  for (int64_t size : getShape())
    printer << size << 'x';
  printer << getStorage();
  if (!isPerTensor()) {
    printer << ", tile<[";
    llvm::interleaveComma(getTile(), printer, [&](int64_t size) {
      if (ShapedType::isDynamic(size))
        printer << '?';
      else
        printer << size;
    });
    printer << "]>";
  }
  printer << '>';
}

static LogicalResult verifyStorage(function_ref<InFlightDiagnostic()> emitError,
                                   Type storage) {
  if (isa<Float8E4M3FNType, Float8E5M2Type, Float16Type>(storage))
    return success();
  return emitError() << "the storage must be f8E4M3FN, f8E5M2 or f16, but is "
                     << storage;
}

LogicalResult ScaledType::verify(function_ref<InFlightDiagnostic()> emitError,
                                 ArrayRef<int64_t> shape, FloatType storage,
                                 ArrayRef<int64_t> tile) {
  if (failed(verifyStorage(emitError, storage)))
    return failure();
  if (llvm::any_of(shape, ShapedType::isDynamic))
    return emitError() << "the shape must be static";
  if (!tile.empty() && tile.size() != shape.size())
    return emitError() << "the tile has " << tile.size()
                       << " sizes, but the tensor has rank " << shape.size();
  for (int64_t size : tile)
    if (!ShapedType::isDynamic(size) && size <= 0)
      return emitError() << "tile sizes must be positive or '?', but one is "
                         << size;
  return success();
}

LogicalResult ScaleType::verify(function_ref<InFlightDiagnostic()> emitError,
                                FloatType storage) {
  return verifyStorage(emitError, storage);
}

LogicalResult
ScaleStateType::verify(function_ref<InFlightDiagnostic()> emitError,
                       FloatType storage, int64_t window) {
  if (window < 1)
    return emitError() << "the window must hold at least one amax, but is "
                       << window;
  return verifyStorage(emitError, storage);
}

//===----------------------------------------------------------------------===//
// Operations
//===----------------------------------------------------------------------===//

#define GET_OP_CLASSES
#include "FP8/IR/FP8Ops.cpp.inc"

static Type scalarF32(OpBuilder &builder) {
  return RankedTensorType::get({}, builder.getF32Type());
}

void AmaxOp::build(OpBuilder &builder, OperationState &state, Value input) {
  build(builder, state, scalarF32(builder), input);
}

void CurrentScaleOp::build(OpBuilder &builder, OperationState &state,
                           Value scaleState) {
  auto type = cast<ScaleStateType>(scaleState.getType());
  build(builder, state, ScaleType::get(type.getStorage()), scaleState);
}

void ComputeScaleOp::build(OpBuilder &builder, OperationState &state,
                           Value amax, FloatType format, int64_t margin,
                           bool pow2, bool poison, bool bounded) {
  build(builder, state, ScaleType::get(format), amax, margin, pow2, poison,
        bounded);
}

void QuantizeOp::build(OpBuilder &builder, OperationState &state, Value input,
                       Value scale, FloatType format) {
  build(builder, state, ScaledType::get(getShape(input.getType()), format),
        StatsType::get(builder.getContext()), input, scale, /*key=*/Value(),
        /*stochastic=*/IntegerAttr());
}

static LogicalResult verifySameShape(Operation *op, Type a, Type b) {
  if (getShape(a) == getShape(b))
    return success();
  return op->emitOpError("expects operand and result of one shape, but got ")
         << a << " and " << b;
}

static LogicalResult verifyMargin(Operation *op, int64_t margin) {
  if (margin >= 0)
    return success();
  return op->emitOpError("margin must not be negative, or values beyond the "
                         "format's range would "
                         "be asked for; it is ")
         << margin;
}

LogicalResult ComputeScaleOp::verify() {
  return verifyMargin(*this, getMargin());
}

LogicalResult AdvanceOp::verify() { return verifyMargin(*this, getMargin()); }

LogicalResult QuantizeOp::verify() {
  if (!getOutput().getType().isPerTensor())
    return emitOpError("one scale cannot make ")
           << getOutput().getType() << ", which has several";
  if (getKey() && !getStochasticAttr())
    return emitOpError("has a key, which only stochastic rounding uses");
  return verifySameShape(*this, getInput().getType(), getOutput().getType());
}

LogicalResult QuantizeTilesOp::verify() {
  ScaledType output = getOutput().getType();
  if (output.isPerTensor())
    return emitOpError("makes one scale per tile, but ")
           << output << " has no tiles: use fp8.quantize";
  if (isa<Float16Type>(output.getStorage()))
    return emitOpError("quantises to FP8, but the storage is f16");
  if (failed(verifySameShape(*this, getInput().getType(), output)) ||
      failed(verifyMargin(*this, getMargin())))
    return failure();
  std::optional<ArrayRef<int64_t>> dims = getContracting();
  int64_t rank = output.getRank();
  if (!dims)
    return llvm::is_contained(output.getTile(), 1)
               ? emitOpError("must say 'contracting' which dimensions its "
                             "tiles lie along")
               : success();
  for (size_t i = 1; i < dims->size(); ++i)
    if ((*dims)[i] != (*dims)[i - 1] + 1)
      return emitOpError(
          "contracted dimensions must stand together, ascending");
  if (dims->empty() || dims->front() < 0 || dims->back() >= rank ||
      (dims->front() != 0 && dims->back() != rank - 1))
    return emitOpError(
               "contracted dimensions must be the first or the last of ")
           << rank;
  return success();
}

/// Checks that processes can have codes of one another.
static LogicalResult verifyTravels(Operation *op) {
  for (Type type : op->getOperandTypes())
    if (!cast<ScaledType>(type).isPerTensor() ||
        !isFP8(cast<ScaledType>(type).getStorage()))
      return op->emitOpError("has ")
             << type << "; what travels is FP8 with one scale";
  return success();
}

/// Checks that processes can sum codes in one exchange.
static LogicalResult verifySummed(Operation *op) {
  if (failed(verifyTravels(op)))
    return failure();
  for (Type type : op->getOperandTypes()) {
    Type first = op->getOperandTypes().front();
    if (cast<ScaledType>(type).getStorage() !=
        cast<ScaledType>(first).getStorage())
      return op->emitOpError("sums ")
             << first << " and " << type
             << " in one exchange, which has codes of one format";
  }
  return success();
}

LogicalResult AllGatherOp::verify() {
  if (failed(verifyTravels(*this)))
    return failure();
  return verifyShareTypes(*this, getInputs().getTypes(),
                          getOutputs().getTypes());
}

LogicalResult ReduceScatterOp::verify() {
  if (failed(verifySummed(*this)))
    return failure();
  return verifyShareTypes(*this, getOutputs().getTypes(),
                          getInputs().getTypes());
}

LogicalResult AllToAllOp::verify() {
  if (failed(verifyTravels(*this)))
    return failure();
  return verifyShareTypes(*this, getInputs().getTypes(),
                          getOutputs().getTypes());
}

LogicalResult AllReduceOp::verify() {
  if (failed(verifySummed(*this)))
    return failure();
  if (getNative() && getInputs().getTypes() != getOutputs().getTypes())
    return emitOpError("sums parts natively");
  return verifyJoinedTypes(*this);
}

LogicalResult DequantizeOp::verify() {
  return verifySameShape(*this, getInput().getType(), getOutput().getType());
}

OpOperand *DequantizeOp::getMovedOperand(unsigned) {
  return &getInputMutable();
}

LogicalResult TransposeOp::verify() {
  ScaledType in = getInput().getType(), out = getOutput().getType();
  ArrayRef<int64_t> perm = getPermutation();
  if (!isPermutationVector(perm) ||
      static_cast<int64_t>(perm.size()) != in.getRank())
    return emitOpError("expects a permutation of ")
           << in.getRank() << " dimensions";
  SmallVector<int64_t> tile;
  if (!in.isPerTensor())
    tile = applyPermutation(in.getTile(), perm);
  ScaledType expected = ScaledType::get(applyPermutation(in.getShape(), perm),
                                        in.getStorage(), tile);
  if (out != expected)
    return emitOpError("result type must be ")
           << expected << ", but is " << out;
  return success();
}

LogicalResult ConcatOp::verify() {
  ScaledType type = getOutput().getType();
  int64_t axis = getAxis(), size = 0;
  if (axis < 0 || axis >= type.getRank())
    return emitOpError("has no dimension ") << axis;
  for (Value part : getParts()) {
    auto partType = cast<ScaledType>(part.getType());
    SmallVector<int64_t> shape(partType.getShape());
    if (static_cast<int64_t>(shape.size()) != type.getRank())
      return emitOpError("joins ") << partType << " to " << type;
    size += std::exchange(shape[axis], type.getShape()[axis]);
    if (!partType.isPerTensor() ||
        ScaledType::get(shape, partType.getStorage(), /*tile=*/{}) != type)
      return emitOpError("joins ")
             << partType << " to " << type
             << ": they differ in more than dimension " << axis;
    // Another scale's codes would be read by this one's.
    auto first = getParts().front().getDefiningOp<QuantizeOp>(),
         quantize = part.getDefiningOp<QuantizeOp>();
    if (first && quantize && first.getScale() != quantize.getScale())
      return emitOpError("joins codes of two scales");
  }
  if (size != type.getShape()[axis])
    return emitOpError("has parts of ")
           << size << " along dimension " << axis << " of " << type;
  return success();
}

OpFoldResult TransposeOp::fold(FoldAdaptor) {
  if (getInput().getType() == getType() &&
      isIdentityPermutation(getPermutation()))
    return getInput();
  auto source = getInput().getDefiningOp<TransposeOp>();
  if (!source)
    return {};
  setPermutation(applyPermutation(source.getPermutation(), getPermutation()));
  getInputMutable().assign(source.getInput());
  return getResult();
}

std::string fp8::getOperandsObstacle(FP8ContractionOpInterface op) {
  if (op->getNumResults() == 0)
    return "it writes to a buffer: products of tensors alone are known";
  return op->getNumOperands() == (op.getContractionInit() ? 3u : 2u) &&
                 op->getNumResults() == 1
             ? ""
             : "it does more than contract two operands into one result";
}

FP8ContractionOpInterface fp8::getContraction(Operation *op) {
  auto contraction = dyn_cast_or_null<FP8ContractionOpInterface>(op);
  return contraction && contraction.isContraction()
             ? contraction
             : FP8ContractionOpInterface();
}

std::optional<std::string>
fp8::getContractionError(ArrayRef<int64_t> lhs, ArrayRef<int64_t> rhs,
                         ArrayRef<int64_t> result, int64_t batchRank,
                         ArrayRef<int64_t> lhsContracting,
                         ArrayRef<int64_t> rhsContracting) {
  int64_t lhsRank = lhs.size(), rhsRank = rhs.size();
  if (batchRank < 0 || batchRank > std::min(lhsRank, rhsRank))
    return llvm::formatv(
        "has {0} batch dimensions, but operands of rank {1} and {2}", batchRank,
        lhsRank, rhsRank);
  if (lhsContracting.size() != rhsContracting.size() || lhsContracting.empty())
    return "must contract as many dimensions of the left operand as of the "
           "right one, at least one";
  auto together = [&](ArrayRef<int64_t> dims, int64_t rank) {
    for (size_t i = 1; i < dims.size(); ++i)
      if (dims[i] != dims[i - 1] + 1)
        return false;
    return dims.front() >= batchRank && dims.back() < rank &&
           (dims.front() == batchRank || dims.back() == rank - 1);
  };
  if (!together(lhsContracting, lhsRank) || !together(rhsContracting, rhsRank))
    return "contracted dimensions must stand together, ascending, at the start "
           "or at the end of "
           "the dimensions after the batch";
  for (auto [l, r] : llvm::zip(lhsContracting, rhsContracting))
    if (lhs[l] != rhs[r])
      return llvm::formatv(
          "contracts dimension {0} of the left operand, of size {1}, with "
          "dimension {2} of the right one, of size {3}",
          l, lhs[l], r, rhs[r]);
  SmallVector<int64_t> expected;
  for (int64_t i = 0; i < batchRank; ++i) {
    if (lhs[i] != rhs[i])
      return llvm::formatv("batch dimension {0} differs: {1} and {2}", i,
                           lhs[i], rhs[i]);
    expected.push_back(lhs[i]);
  }
  for (int64_t i = batchRank; i < lhsRank; ++i)
    if (!llvm::is_contained(lhsContracting, i))
      expected.push_back(lhs[i]);
  for (int64_t i = batchRank; i < rhsRank; ++i)
    if (!llvm::is_contained(rhsContracting, i))
      expected.push_back(rhs[i]);
  if (ArrayRef<int64_t>(expected) != result)
    return llvm::formatv("result shape must be {0:$[x]}",
                         llvm::iterator_range(expected));
  return std::nullopt;
}

LogicalResult fp8::verifyContraction(Operation *op, ArrayRef<int64_t> lhs,
                                     ArrayRef<int64_t> rhs,
                                     ArrayRef<int64_t> result,
                                     int64_t batchRank,
                                     ArrayRef<int64_t> lhsContracting,
                                     ArrayRef<int64_t> rhsContracting) {
  if (auto error = getContractionError(lhs, rhs, result, batchRank,
                                       lhsContracting, rhsContracting))
    return op->emitOpError(*error);
  return success();
}

GemmDims fp8::getGemmDims(FP8ContractionOpInterface op) {
  ArrayRef<int64_t> lhs = getShape(op.getContractionLhs().get().getType());
  ArrayRef<int64_t> rhs = getShape(op.getContractionRhs().get().getType());
  int64_t batchRank = op.getContractionBatchRank();
  SmallVector<int64_t> lhsDims = op.getLhsContractingDims(),
                       rhsDims = op.getRhsContractingDims();
  GemmDims dims;
  for (int64_t i = 0; i < batchRank; ++i)
    dims.batch *= lhs[i];
  for (int64_t i = batchRank, e = lhs.size(); i < e; ++i)
    (llvm::is_contained(lhsDims, i) ? dims.k : dims.m) *= lhs[i];
  for (int64_t i = batchRank, e = rhs.size(); i < e; ++i)
    if (!llvm::is_contained(rhsDims, i))
      dims.n *= rhs[i];
  // An operand contracted wholly (a vector) may be read either way.
  dims.transposeA = lhsDims.back() != static_cast<int64_t>(lhs.size()) - 1;
  dims.transposeB = rhsDims.front() != batchRank;
  return dims;
}

void MatmulOp::build(OpBuilder &builder, OperationState &state, Type type,
                     Value lhs, Value rhs, ArrayRef<int64_t> lhsContracting,
                     ArrayRef<int64_t> rhsContracting, bool fastAccum,
                     int64_t batchRank) {
  int64_t lhsRank = getShape(lhs.getType()).size(),
          rhsRank = getShape(rhs.getType()).size();
  // The default contraction is left unsaid.
  bool isDefault =
      lhsContracting ==
          ArrayRef<int64_t>(fp8::getLhsContractingDims({}, lhsRank)) &&
      rhsContracting ==
          ArrayRef<int64_t>(fp8::getRhsContractingDims({}, rhsRank));
  auto attr = [&](ArrayRef<int64_t> dims) {
    return isDefault ? DenseI64ArrayAttr() : builder.getDenseI64ArrayAttr(dims);
  };
  build(builder, state, type, lhs, rhs, attr(lhsContracting),
        attr(rhsContracting), batchRank, fastAccum);
}

SmallVector<int64_t>
fp8::getLhsContractingDims(std::optional<ArrayRef<int64_t>> given,
                           int64_t rank) {
  return given ? SmallVector<int64_t>(*given) : SmallVector<int64_t>{rank - 1};
}
SmallVector<int64_t>
fp8::getRhsContractingDims(std::optional<ArrayRef<int64_t>> given,
                           int64_t rank) {
  return given ? SmallVector<int64_t>(*given)
               : SmallVector<int64_t>{std::max<int64_t>(rank - 2, 0)};
}

int64_t MatmulOp::getContractionBatchRank() { return getBatchRank(); }
OpOperand &MatmulOp::getContractionLhs() { return getLhsMutable(); }
OpOperand &MatmulOp::getContractionRhs() { return getRhsMutable(); }
SmallVector<int64_t> MatmulOp::getLhsContractingDims() {
  return fp8::getLhsContractingDims(getLhsContracting(),
                                    getLhs().getType().getRank());
}
SmallVector<int64_t> MatmulOp::getRhsContractingDims() {
  return fp8::getRhsContractingDims(getRhsContracting(),
                                    getRhs().getType().getRank());
}

LogicalResult MatmulOp::verify() {
  ScaledType lhs = getLhs().getType(), rhs = getRhs().getType();
  if (getLhsContracting().has_value() != getRhsContracting().has_value())
    return emitOpError(
        "must say what it contracts of both operands or of neither");
  if (failed(verifyContraction(*this, lhs.getShape(), rhs.getShape(),
                               getShape(getOutput().getType()), getBatchRank(),
                               getLhsContractingDims(),
                               getRhsContractingDims())))
    return failure();
  for (ScaledType type : {lhs, rhs})
    if (isa<Float16Type>(type.getStorage()))
      return emitOpError("contracts FP8 storage only, but got ") << type;
  if (isa<Float8E5M2Type>(lhs.getStorage()) &&
      isa<Float8E5M2Type>(rhs.getStorage()))
    return emitOpError("cannot contract f8E5M2 with f8E5M2: no hardware does; "
                       "keep one operand "
                       "f8E4M3FN");
  // A tile along the contracted dimension must cut both operands alike, or the
  // scales cannot leave the sum.
  auto tileAlong = [](ScaledType type, int64_t dim) {
    return type.isPerTensor() ? ShapedType::kDynamic : type.getTile()[dim];
  };
  for (auto [l, r] :
       llvm::zip(getLhsContractingDims(), getRhsContractingDims())) {
    int64_t lhsTile = tileAlong(lhs, l), rhsTile = tileAlong(rhs, r);
    if (lhsTile != rhsTile)
      return emitOpError("the operands' tiles cut the contracted dimension "
                         "differently: ")
             << lhs << " and " << rhs;
  }
  return success();
}
