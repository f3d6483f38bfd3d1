//===- InsertScaling.cpp - fp8-insert-scaling -----------------------------===//
//
// Quantises what contractions want in FP8, each value once per format, and
// makes the contractions fp8.matmul.
//
// A scale is current (from the value's own amax) or delayed (from a state that
// remembers the amaxes of past steps). What happens to the states depends on
// the function: @micro records statistics, @update advances the states,
// @calibrate seeds them from one batch with current scaling, all others only
// read.
//
//===----------------------------------------------------------------------===//

#include "FP8/Transforms/Eligibility.h"
#include "FP8/Transforms/Passes.h"
#include "FP8/Transforms/Recipe.h"
#include "FP8/Transforms/ScaleSites.h"
#include "FP8/Transforms/ValueRoles.h"
#include "Train/IR/Precision.h"
#include "Train/Transforms/BuildUtils.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::fp8;

namespace fp8c::fp8 {
#define GEN_PASS_DEF_INSERTSCALING
#include "FP8/Transforms/Passes.h.inc"
} // namespace fp8c::fp8

static bool wantsFP8(Operation *op) {
  train::PrecisionAttr precision = train::getPrecision(op);
  return precision && precision.isFP8();
}

/// Does a contraction in wide formats have them, as train-apply-precision gives
/// them?
static bool isCarriedOut(FP8ContractionOpInterface op) {
  train::PrecisionAttr precision = train::getPrecision(op);
  auto is = [&](Value value, Type format) {
    return !format || getElementTypeOrSelf(value) == format;
  };
  return precision &&
         is(op.getContractionLhs().get(),
            train::getFormat(precision.getLhs())) &&
         is(op.getContractionRhs().get(),
            train::getFormat(precision.getRhs())) &&
         llvm::all_of(op->getOpResults(), [&](OpResult result) {
           return is(result, precision.getResult(result.getResultNumber()));
         });
}

static bool isForward(Operation *op) {
  return train::getPhase(op).value_or(train::Phase::fwd) == train::Phase::fwd;
}

namespace {

/// What a function does with the states of delayed scaling. None: there are
/// none, as in the program of another compiler, and all scales are current.
enum class StateUse { None, ReadOnly, Record, Calibrate };

/// How contractions quantise what they scale currently, by "name gemm operand";
/// null where several of that name differ.
using CurrentUses = llvm::StringMap<Attribute>;

/// Lowers the contractions of one function.
class FunctionScaler {
public:
  FunctionScaler(Operation *function, StateUse use, ScaleSites &sites,
                 ValueRoles &roles)
      : function(function), use(use), sites(sites), roles(roles) {}

  LogicalResult run();
  const CurrentUses &getCurrentUses() const { return currentUses; }

private:
  struct Operand {
    Value value;
    OperandAttr spec;
    SmallVector<int64_t> contracting;
    /// What the site is called after the contraction's name: "x", "w" or "dy".
    StringRef suffix;
  };
  struct Contraction {
    FP8ContractionOpInterface op;
    StringRef lhsRole, rhsRole;
  };
  LogicalResult lower(const Contraction &contraction);
  void noteUse(Operation *consumer, const Operand &operand, Value quantized);
  Value quantize(Operation *consumer, const Operand &operand);
  Value quantizeTiles(Operation *consumer, const Operand &operand);
  ScaleSite *getSite(Operation *consumer, const Operand &operand,
                     bool &isFirst);
  void keepStatistics(ScaleSite &site, Value state, Value stats,
                      Operation *consumer);

  Operation *function;
  StateUse use;
  ScaleSites &sites;
  ValueRoles &roles;
  /// By value, and the spec or, in tiles, the spec and what is contracted.
  DenseMap<std::pair<Value, Attribute>, Value> quantized;
  /// Which site serves an operand, by the name that a site of its own would
  /// have. A value that backward computes anew finds the forward pass's scale
  /// this way.
  llvm::StringMap<ScaleSite *> siteOfOperand;
  /// The site of each quantised value; null with current scaling.
  DenseMap<Value, ScaleSite *> siteOfValue;
  /// Names that several forward contractions have: no state could be told from
  /// another.
  llvm::StringSet<> ambiguous;
  CurrentUses currentUses;
  bool saidNoState = false;
};

} // namespace

ScaleSite *FunctionScaler::getSite(Operation *consumer, const Operand &operand,
                                   bool &isFirst) {
  isFirst = false;
  if (use == StateUse::None) {
    if (!std::exchange(saidNoState, true))
      function->emitRemark(
          "scales are current, not delayed: no @micro records statistics");
    return nullptr;
  }
  auto fallBack = [&](const Twine &reason) {
    if (use != StateUse::Calibrate) // said of @micro already
      consumer->emitRemark() << "scales operand '" << operand.suffix
                             << "' currently, not delayed: " << reason.str();
    return static_cast<ScaleSite *>(nullptr);
  };
  StringRef name = train::getName(consumer);
  if (name.empty())
    return fallBack("the op has no 'train.name' to keep a scale under");
  if (ambiguous.contains(name))
    return fallBack("several ops are named '" + name + "'");
  if (Value(operand.value).getParentBlock() != &function->getRegion(0).front())
    return fallBack("statistics cannot leave a nested region");
  std::string siteName = (name + "." + operand.suffix).str();
  if (ScaleSite *site = siteOfOperand.lookup(siteName);
      site && site->operand == operand.spec)
    return site; // the value was computed anew
  if (use == StateUse::ReadOnly) {
    ScaleSite *site = sites.lookup(siteName, operand.spec);
    return site ? site : fallBack("@micro keeps no statistics of it");
  }
  ScaleSite *site = sites.getOrCreate(siteName, operand.spec);
  if (!site) // the forward pass scales the operand in another way
    site = sites.getOrCreate(
        siteName + "." +
            train::stringifyPhase(
                train::getPhase(consumer).value_or(train::Phase::fwd))
                .str(),
        operand.spec);
  isFirst = true;
  return site ? site : fallBack("its name is taken");
}

/// Statistics go to the state at the end of the function.
void FunctionScaler::keepStatistics(ScaleSite &site, Value state, Value stats,
                                    Operation *consumer) {
  auto builder = OpBuilder::atBlockTerminator(&function->getRegion(0).front());
  Value next = train::createFor<RecordOp>(builder, consumer, state, stats);
  if (use == StateUse::Calibrate)
    next = train::createFor<AdvanceOp>(builder, consumer, next,
                                       site.operand.getMargin(),
                                       site.operand.getPow2());
  train::createFor<train::AssignOp>(builder, consumer,
                                    site.variable.getSymName(), next);
  Value value = stats.getDefiningOp()->getOperand(0);
  if (auto place = value.getDefiningOp<train::PlaceOp>())
    value = place.getInput(); // zeros around it are nobody's
  auto counted = cast<ShapedType>(value.getType());
  site.variable->setDiscardableAttr(
      kCountedAttr, builder.getI64IntegerAttr(counted.getNumElements()));
}

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
  Value &result = quantized[{operand.value, key}];
  if (result)
    return result;
  builder.setInsertionPointAfterValue(operand.value);
  ArrayRef<int64_t> shape = getShape(operand.value.getType());
  auto type = ScaledType::get(
      shape, spec.getFormat(),
      *getTile(spec.getGranularity(), shape, operand.contracting));
  return result = train::createFor<QuantizeTilesOp>(
             builder, consumer, type, operand.value, contracting,
             spec.getMargin(), spec.getPow2());
}

Value FunctionScaler::quantize(Operation *consumer, const Operand &operand) {
  if (operand.spec.getGranularity() != Granularity::Tensor)
    return quantizeTiles(consumer, operand);
  Value &result = quantized[{operand.value, operand.spec}];
  auto remember = [&](ScaleSite *site) {
    siteOfValue[result] = site;
    if (site)
      siteOfOperand.try_emplace(
          (train::getName(consumer) + "." + operand.suffix).str(), site);
  };
  if (result) {
    remember(siteOfValue.lookup(result));
    return result;
  }
  bool isFirst = false;
  ScaleSite *site =
      operand.spec.isDelayed() ? getSite(consumer, operand, isFirst) : nullptr;

  // Right after the value, so that the quantisation dominates all users and can
  // join the value's producer.
  OpBuilder builder(function->getContext());
  builder.setInsertionPointAfterValue(operand.value);
  OperandAttr spec = operand.spec;
  Value state, scale;
  if (site)
    state = train::createFor<train::ReadOp>(builder, consumer,
                                            site->variable.getType(),
                                            site->variable.getSymName());
  if (site && use != StateUse::Calibrate) {
    scale = train::createFor<CurrentScaleOp>(builder, consumer, state);
  } else {
    Value amax = train::createFor<AmaxOp>(builder, consumer, operand.value);
    scale = train::createFor<ComputeScaleOp>(
        builder, consumer, amax, spec.getFormat(), spec.getMargin(),
        spec.getPow2(),
        /*poison=*/false, spec.isBounded());
  }
  auto quantize = train::createFor<QuantizeOp>(builder, consumer, operand.value,
                                               scale, spec.getFormat());
  // A value that is computed anew was counted when it was computed first.
  if (isFirst)
    keepStatistics(*site, state, quantize.getStats(), consumer);
  result = quantize.getOutput();
  remember(site);
  return result;
}

static std::string getUseKey(StringRef name, StringRef gemm,
                             StringRef operand) {
  return (name + "\n" + gemm + "\n" + operand).str();
}

void FunctionScaler::noteUse(Operation *consumer, const Operand &operand,
                             Value quantized) {
  OperandAttr spec = operand.spec;
  if (spec.isBounded() || siteOfValue.lookup(quantized))
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
      getUseKey(train::getName(consumer), getGemm(consumer), operand.suffix),
      attr);
  if (!isNew && it->second != attr)
    it->second = {};
}

LogicalResult FunctionScaler::lower(const Contraction &contraction) {
  FP8ContractionOpInterface op = contraction.op;
  train::PrecisionAttr precision = train::getPrecision(op);
  Operand lhs{op.getContractionLhs().get(),
              precision.getLhs(),
              op.getLhsContractingDims(),
              {}};
  Operand rhs{op.getContractionRhs().get(),
              precision.getRhs(),
              op.getRhsContractingDims(),
              {}};
  if (auto obstacle = getFP8Obstacle(op, lhs.spec.getGranularity(),
                                     rhs.spec.getGranularity()))
    return op.emitOpError("cannot be done in FP8: ") << *obstacle;
  if (auto conflict = getGranularityConflict(lhs.spec.getGranularity(),
                                             rhs.spec.getGranularity()))
    return op.emitOpError("cannot be done in FP8: ") << *conflict;
  lhs.suffix = getOperandSuffix(contraction.lhsRole, contraction.rhsRole, kLhs);
  rhs.suffix = getOperandSuffix(contraction.rhsRole, contraction.lhsRole, kRhs);

  Value lhsQuantized = quantize(op, lhs), rhsQuantized = quantize(op, rhs);
  noteUse(op, lhs, lhsQuantized);
  noteUse(op, rhs, rhsQuantized);
  OpBuilder builder(op);
  Operation *matmul = train::createFor<MatmulOp>(
      builder, op, op->getResult(0).getType(), lhsQuantized, rhsQuantized,
      op.getLhsContractingDims(), op.getRhsContractingDims(),
      precision.getFastAccum());
  train::keepReason(matmul, precision);
  Value result = op.buildSum(builder, matmul->getResult(0));
  op->replaceAllUsesWith(ValueRange(result));
  op->erase();
  return success();
}

LogicalResult FunctionScaler::run() {
  SmallVector<Contraction> contractions;
  llvm::StringSet<> forwardNames;
  function->walk<WalkOrder::PreOrder>([&](Operation *op) {
    roles.visit(op);
    if (!wantsFP8(op))
      return;
    auto contraction = cast<FP8ContractionOpInterface>(op);
    contractions.push_back({contraction,
                            roles.get(contraction.getContractionLhs().get()),
                            roles.get(contraction.getContractionRhs().get())});
    if (isForward(op) && !forwardNames.insert(train::getName(op)).second)
      ambiguous.insert(train::getName(op));
  });
  for (const Contraction &contraction : contractions)
    if (failed(lower(contraction)))
      return failure();
  function->walk([](FP8ContractionOpInterface op) {
    if (isCarriedOut(op))
      train::keepReason(op, train::getPrecision(op));
  });
  return success();
}

//===----------------------------------------------------------------------===//
// The functions of a program
//===----------------------------------------------------------------------===//

static bool hasDelayedScaling(func::FuncOp function) {
  auto delayed = [](Operation *op) {
    return wantsFP8(op) && (train::getPrecision(op).getLhs().isDelayed() ||
                            train::getPrecision(op).getRhs().isDelayed());
  };
  return function
      .walk([&](Operation *op) {
        return delayed(op) ? WalkResult::interrupt() : WalkResult::advance();
      })
      .wasInterrupted();
}

static void advanceStates(func::FuncOp update, ScaleSites &sites) {
  OpBuilder builder(update.front().getTerminator());
  for (ScaleSite &site : sites.getAll()) {
    Location loc = update.getLoc();
    StringRef variable = site.variable.getSymName();
    Operation *read =
        train::ReadOp::create(builder, loc, site.variable.getType(), variable);
    Operation *advance =
        AdvanceOp::create(builder, loc, read->getResult(0),
                          site.operand.getMargin(), site.operand.getPow2());
    Operation *assign =
        train::AssignOp::create(builder, loc, variable, advance->getResult(0));
    for (Operation *op : {read, advance, assign}) {
      train::setName(op, site.name);
      train::setPhase(op, train::Phase::update);
    }
  }
}

/// Tells the results of @observe how @micro quantises what they show.
static void describeUses(func::FuncOp observe, const CurrentUses &current) {
  Builder builder(observe.getContext());
  for (unsigned i = 0; i < observe.getNumResults(); ++i) {
    auto uses = observe.getResultAttrOfType<ArrayAttr>(i, kOperandUsesAttr);
    if (!uses)
      continue;
    SmallVector<Attribute> described;
    for (auto use : uses.getAsRange<DictionaryAttr>()) {
      NamedAttrList entries(use);
      if (Attribute how = current.lookup(getUseKey(
              use.getAs<StringAttr>("op"), use.getAs<StringAttr>("gemm"),
              use.getAs<StringAttr>("operand"))))
        entries.set(kUseQuantisedKey, how);
      described.push_back(entries.getDictionary(observe.getContext()));
    }
    observe.setResultAttr(i, kOperandUsesAttr, builder.getArrayAttr(described));
  }
}

static LogicalResult insertScaling(ModuleOp module) {
  ScaleSites sites(module);
  ValueRoles roles(module);
  func::FuncOp micro = train::findFunction(module, train::FunctionKind::micro);
  func::FuncOp update =
      train::findFunction(module, train::FunctionKind::update);
  SmallPtrSet<Operation *, 2> done;
  StateUse otherUse = StateUse::None;
  CurrentUses current;
  auto scale = [&](Operation *function, StateUse use) {
    FunctionScaler scaler(function, use, sites, roles);
    if (failed(scaler.run()))
      return failure();
    if (function == micro)
      current = scaler.getCurrentUses();
    return success();
  };
  if (micro && hasDelayedScaling(micro)) {
    if (!update)
      return micro.emitError("delayed scaling needs a function with "
                             "train.function = #train.function<update>, in "
                             "which scales change");
    if (failed(train::verifyAbsent(module, train::FunctionKind::calibrate,
                                   "was scaling inserted before?")))
      return failure();
    // Forward and backward pass for their statistics alone.
    func::FuncOp calibrate =
        train::cloneForValues(micro, train::FunctionKind::calibrate);
    done = {micro, calibrate};
    if (failed(scale(micro, StateUse::Record)) ||
        failed(scale(calibrate, StateUse::Calibrate)))
      return failure();
    train::eraseDeadOps(calibrate.front());
    advanceStates(update, sites);
    otherUse = StateUse::ReadOnly;
    if (sites.getAll().empty())
      calibrate.erase();
  }
  for (Operation &op : *module.getBody())
    if (op.getNumRegions() > 0 && !op.getRegion(0).empty() &&
        !done.contains(&op))
      if (failed(scale(&op, otherUse)))
        return failure();
  if (int64_t count = llvm::count_if(
          current, [](auto &entry) { return !entry.first().ends_with("\nw"); }))
    module->setAttr(kCurrentUsesAttr,
                    Builder(module.getContext()).getI64IntegerAttr(count));
  if (func::FuncOp observe =
          train::findFunction(module, train::FunctionKind::observe))
    describeUses(observe, current);
  return success();
}

namespace {
struct InsertScaling : fp8::impl::InsertScalingBase<InsertScaling> {
  using Base::Base;
  bool takesSeveralBlocks() const override { return true; }
  void runOnProgram() override {
    if (failed(insertScaling(getOperation())))
      signalPassFailure();
  }
};
} // namespace
