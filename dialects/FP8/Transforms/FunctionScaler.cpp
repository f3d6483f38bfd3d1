//===- FunctionScaler.cpp - FP8 products of one function ------------------===//
//
// First all sites of delayed scaling are found, for states may have to come in
// through arguments of the function and of loops; then operands are quantised
// and products built.
//
//===----------------------------------------------------------------------===//

#include "FP8/Transforms/FunctionScaler.h"

#include "FP8/Transforms/Eligibility.h"
#include "FP8/Transforms/Recipe.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::fp8;

static bool wantsFP8(Operation *op) {
  PrecisionAttr precision = getPrecision(op);
  return precision && precision.isFP8();
}

/// Does a contraction in wide formats have them, as train-apply-precision gives
/// them?
static bool isCarriedOut(FP8ContractionOpInterface op) {
  PrecisionAttr precision = getPrecision(op);
  auto is = [&](Value value, Type format) {
    return !format || getElementTypeOrSelf(value) == format;
  };
  return precision &&
         is(op.getContractionLhs().get(), getFormat(precision.getLhs())) &&
         is(op.getContractionRhs().get(), getFormat(precision.getRhs())) &&
         llvm::all_of(op->getOpResults(), [&](OpResult result) {
           return is(result, precision.getResult(result.getResultNumber()));
         });
}

static Phase getForwardPhase(Operation *op) {
  return getPhase(op).value_or(Phase::fwd);
}

std::string fp8::getUseKey(StringRef name, StringRef gemm, StringRef operand) {
  return (name + "\n" + gemm + "\n" + operand).str();
}

//===----------------------------------------------------------------------===//
// Sites
//===----------------------------------------------------------------------===//

void FunctionScaler::collect() {
  // By name, and phase where it counts.
  llvm::StringSet<> names;
  bool anyPhase = states && !states->needsNames();
  function->walk<WalkOrder::PreOrder>([&](Operation *op) {
    roles.visit(op);
    if (!wantsFP8(op))
      return;
    auto contraction = cast<FP8ContractionOpInterface>(op);
    StringRef lhs = roles.get(contraction.getContractionLhs().get()),
              rhs = roles.get(contraction.getContractionRhs().get());
    contractions.push_back({contraction,
                            {getOperandSuffix(lhs, rhs, kLhs)},
                            {getOperandSuffix(rhs, lhs, kRhs)}});
    Phase phase = getForwardPhase(op);
    if ((phase == Phase::fwd || anyPhase) &&
        !names.insert((getName(op) + "\n" + stringifyPhase(phase)).str())
             .second)
      ambiguous.insert(getName(op));
  });
}

void FunctionScaler::findSite(Operation *consumer, size_t number,
                              OperandAttr spec, Value value, Use &use) {
  if (!states) {
    if (!std::exchange(saidNoState, true))
      function->emitRemark("scales are current, not delayed: ") << whyCurrent;
    return;
  }
  auto fallBack = [&](const Twine &reason) {
    if (!states->isSilent())
      consumer->emitRemark() << "scales operand '" << use.suffix
                             << "' currently, not delayed: " << reason.str();
  };
  StringRef name = getName(consumer);
  bool isNamed = !name.empty() && !ambiguous.contains(name);
  if (!isNamed && states->needsNames())
    return fallBack(name.empty()
                        ? "the op has no 'fp8.name' to keep a scale under"
                        : "several ops are named '" + name.str() + "'");
  if (std::optional<std::string> obstacle = states->getObstacle(value))
    return fallBack(*obstacle);
  std::string siteName =
      isNamed ? (name + "." + use.suffix).str()
              : ("product" + Twine(number) + "." + use.suffix).str();
  if (ScaleSite *site = siteOfOperand.lookup(siteName);
      isNamed && site && site->operand == spec &&
      states->reaches(*site, value)) {
    use.site = site; // the value was computed anew
    return;
  }
  std::string obstacle;
  use.site = states->getSite(siteName, spec, value, obstacle);
  if (!use.site) // the forward pass scales the operand in another way
    use.site = states->getSite(
        siteName + "." + stringifyPhase(getForwardPhase(consumer)).str(), spec,
        value, obstacle);
  use.isFirst = use.site != nullptr;
  if (!use.site)
    fallBack(obstacle);
}

void FunctionScaler::findSites() {
  DenseMap<std::pair<Value, Attribute>, ScaleSite *> known;
  auto find = [&](Operation *op, size_t number, OpOperand &operand,
                  OperandAttr spec, Use &use) {
    if (spec.getGranularity() != Granularity::Tensor)
      return;
    auto [it, isNew] = known.try_emplace({operand.get(), spec});
    if (isNew && spec.isDelayed())
      findSite(op, number, spec, operand.get(), use);
    else
      use.site = it->second;
    it->second = use.site;
    if (use.site && !getName(op).empty())
      siteOfOperand.try_emplace((getName(op) + "." + use.suffix).str(),
                                use.site);
  };
  for (auto [number, contraction] : llvm::enumerate(contractions)) {
    FP8ContractionOpInterface op = contraction.op;
    PrecisionAttr precision = getPrecision(op);
    find(op, number, op.getContractionLhs(), precision.getLhs(),
         contraction.lhs);
    find(op, number, op.getContractionRhs(), precision.getRhs(),
         contraction.rhs);
  }
}

//===----------------------------------------------------------------------===//
// Quantisation
//===----------------------------------------------------------------------===//

/// Tiles lie along what a product sums over: a value that two products contract
/// over different dimensions is quantised twice, unless its tiles are square.
Value FunctionScaler::quantizeTiles(Operation *consumer,
                                    const Operand &operand) {
  OperandAttr spec = operand.spec;
  OpBuilder builder(function->getContext());
  bool isSquare = spec.getGranularity() == Granularity::Block128x128;
  auto contracting = isSquare
                         ? DenseI64ArrayAttr()
                         : builder.getDenseI64ArrayAttr(operand.contracting);
  Attribute key = spec;
  if (contracting)
    key = builder.getArrayAttr({key, contracting});
  Value &result = quantized[operand.value][key];
  if (result)
    return result;
  builder.setInsertionPointAfterValue(operand.value);
  ArrayRef<int64_t> shape = getShape(operand.value.getType());
  auto type = ScaledType::get(
      shape, spec.getFormat(),
      *getTile(spec.getGranularity(), shape, operand.contracting));
  return result = createFor<QuantizeTilesOp>(builder, consumer, type,
                                             operand.value, contracting,
                                             spec.getMargin(), spec.getPow2());
}

Value FunctionScaler::quantize(Operation *consumer, const Operand &operand) {
  OperandAttr spec = operand.spec;
  if (spec.getGranularity() != Granularity::Tensor)
    return quantizeTiles(consumer, operand);
  Value &result = quantized[operand.value][spec];
  if (result)
    return result;
  // Right after the value, so that the quantisation dominates all users and can
  // join the value's producer.
  OpBuilder builder(function->getContext());
  builder.setInsertionPointAfterValue(operand.value);
  Value state, scale;
  if (operand.site)
    state = states->read(builder, *operand.site, consumer);
  if (operand.site && states->scalesByState()) {
    scale = createFor<CurrentScaleOp>(builder, consumer, state);
  } else {
    Value amax = createFor<AmaxOp>(builder, consumer, operand.value);
    scale = createFor<ComputeScaleOp>(builder, consumer, amax, spec.getFormat(),
                                      spec.getMargin(), spec.getPow2(),
                                      /*poison=*/false, spec.isBounded());
  }
  auto quantize = createFor<QuantizeOp>(builder, consumer, operand.value, scale,
                                        spec.getFormat());
  if (operand.isFirst)
    states->keep(*operand.site, state, quantize, consumer);
  return result = quantize.getOutput();
}

void FunctionScaler::noteUse(Operation *consumer, const Operand &operand,
                             Value quantized) {
  OperandAttr spec = operand.spec;
  if (spec.isBounded() || operand.site)
    return;
  auto type = cast<ScaledType>(quantized.getType());
  SmallVector<int64_t> tile(type.getTile());
  for (auto [size, extent] : llvm::zip(tile, type.getShape()))
    size = ShapedType::isDynamic(size) ? extent : size;
  Builder builder(function->getContext());
  SmallVector<NamedAttribute> how = {
      builder.getNamedAttr("format", TypeAttr::get(spec.getFormat())),
      builder.getNamedAttr("tile", builder.getDenseI64ArrayAttr(tile)),
      builder.getNamedAttr("margin",
                           builder.getI64IntegerAttr(spec.getMargin()))};
  if (spec.getPow2())
    how.push_back(builder.getNamedAttr("pow2", builder.getUnitAttr()));
  Attribute attr = builder.getDictionaryAttr(how);
  auto [it, isNew] = currentUses.try_emplace(
      getUseKey(getName(consumer), getGemm(consumer), operand.suffix), attr);
  if (!isNew && it->second != attr)
    it->second = {};
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

LogicalResult FunctionScaler::lower(const Contraction &contraction) {
  FP8ContractionOpInterface op = contraction.op;
  PrecisionAttr precision = getPrecision(op);
  Operand lhs{contraction.lhs, op.getContractionLhs().get(), precision.getLhs(),
              op.getLhsContractingDims()};
  Operand rhs{contraction.rhs, op.getContractionRhs().get(), precision.getRhs(),
              op.getRhsContractingDims()};
  Value lhsQuantized = quantize(op, lhs), rhsQuantized = quantize(op, rhs);
  noteUse(op, lhs, lhsQuantized);
  noteUse(op, rhs, rhsQuantized);
  OpBuilder builder(op);
  Operation *matmul = createFor<MatmulOp>(
      builder, op, op->getResult(0).getType(), lhsQuantized, rhsQuantized,
      op.getLhsContractingDims(), op.getRhsContractingDims(),
      precision.getFastAccum(), op.getContractionBatchRank());
  keepReason(matmul, precision);
  Value result = op.buildSum(builder, matmul->getResult(0));
  if (!result || result.getType() != op->getResult(0).getType())
    return op.emitOpError("implements buildSum of FP8ContractionOpInterface, "
                          "which must give a value of the type of the result");
  // Where blocks are not in the order of execution it may have been quantised.
  if (auto it = quantized.find(op->getResult(0)); it != quantized.end()) {
    auto entries = std::move(it->second);
    quantized.erase(it);
    quantized[result] = std::move(entries);
  }
  op->replaceAllUsesWith(ValueRange(result));
  op->erase();
  return success();
}

/// What fp8-assign-precision has seen to, and hand-written IR may not.
static LogicalResult verifyCanBeFP8(FP8ContractionOpInterface op) {
  Granularity lhs = getPrecision(op).getLhs().getGranularity(),
              rhs = getPrecision(op).getRhs().getGranularity();
  if (auto obstacle = getFP8Obstacle(op, lhs, rhs))
    return op.emitOpError("cannot be done in FP8: ") << *obstacle;
  if (auto conflict = getGranularityConflict(lhs, rhs))
    return op.emitOpError("cannot be done in FP8: ") << *conflict;
  return success();
}

LogicalResult FunctionScaler::run() {
  collect();
  for (const Contraction &contraction : contractions)
    if (failed(verifyCanBeFP8(contraction.op)))
      return failure();
  findSites();
  if (states)
    states->prepare();
  for (const Contraction &contraction : contractions)
    if (failed(lower(contraction)))
      return failure();
  function->walk([](FP8ContractionOpInterface op) {
    if (isCarriedOut(op))
      keepReason(op, getPrecision(op));
  });
  return success();
}
