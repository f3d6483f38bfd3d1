//===- ProgramStates.cpp - Scale states of a training program -------------===//
//
// States are variables. What happens to them depends on the function: @micro
// records statistics, @update advances the states, @calibrate seeds them from
// one batch with current scaling, all others only read.
//
//===----------------------------------------------------------------------===//

#include "FP8/Training/Passes.h"
#include "FP8/Training/ProgramFacts.h"
#include "FP8/Training/ScaleSites.h"
#include "Train/Transforms/BuildUtils.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::fp8;

namespace {

/// What a function does with the states. None: there are none, and all scales
/// are current.
enum class StateUse { None, ReadOnly, Record, Calibrate };

class VariableStates : public ScaleStateProvider {
public:
  VariableStates(Operation *function, StateUse use, ScaleSites &sites)
      : function(function), use(use), sites(sites) {}

  std::optional<std::string> getObstacle(Value value) const override {
    if (value.getParentBlock() == &getBlock())
      return std::nullopt;
    return "statistics cannot leave a nested region";
  }
  ScaleSite *getSite(StringRef name, OperandAttr operand, Value,
                     std::string &obstacle) override {
    if (use == StateUse::ReadOnly) {
      obstacle = "@micro keeps no statistics of it";
      return sites.lookup(name, operand);
    }
    obstacle = "its name is taken";
    return sites.getOrCreate(name, operand);
  }
  Value read(OpBuilder &builder, ScaleSite &site,
             Operation *consumer) override {
    train::VariableOp variable = static_cast<VariableSite &>(site).variable;
    return createFor<train::ReadOp>(builder, consumer, variable.getType(),
                                    variable.getSymName());
  }
  bool scalesByState() const override { return use != StateUse::Calibrate; }
  void keep(ScaleSite &site, Value state, QuantizeOp quantize,
            Operation *consumer) override;
  /// Of @micro it has been said already.
  bool isSilent() const override { return use == StateUse::Calibrate; }

private:
  Block &getBlock() const { return function->getRegion(0).front(); }

  Operation *function;
  StateUse use;
  ScaleSites &sites;
};

} // namespace

/// Statistics go to the state at the end of the function.
void VariableStates::keep(ScaleSite &site, Value state, QuantizeOp quantize,
                          Operation *consumer) {
  if (use == StateUse::ReadOnly)
    return;
  auto builder = OpBuilder::atBlockTerminator(&getBlock());
  Value next =
      createFor<RecordOp>(builder, consumer, state, quantize.getStats());
  if (use == StateUse::Calibrate)
    next =
        createFor<AdvanceOp>(builder, consumer, next, site.operand.getMargin(),
                             site.operand.getPow2());
  train::VariableOp variable = static_cast<VariableSite &>(site).variable;
  createFor<train::AssignOp>(builder, consumer, variable.getSymName(), next);
  Value value = quantize.getInput();
  if (auto place = value.getDefiningOp<train::PlaceOp>())
    value = place.getInput(); // zeros around it are nobody's
  auto counted = cast<ShapedType>(value.getType());
  variable->setDiscardableAttr(
      kCountedAttr, builder.getI64IntegerAttr(counted.getNumElements()));
}

//===----------------------------------------------------------------------===//
// The functions of a program
//===----------------------------------------------------------------------===//

static bool hasDelayedScaling(func::FuncOp function) {
  auto delayed = [](Operation *op) {
    PrecisionAttr precision = getPrecision(op);
    return precision && precision.isFP8() &&
           (precision.getLhs().isDelayed() || precision.getRhs().isDelayed());
  };
  return function
      .walk([&](Operation *op) {
        return delayed(op) ? WalkResult::interrupt() : WalkResult::advance();
      })
      .wasInterrupted();
}

static void advanceStates(func::FuncOp update, ScaleSites &sites) {
  OpBuilder builder(update.front().getTerminator());
  for (VariableSite &site : sites.getAll()) {
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

static LogicalResult insertProgramScaling(ModuleOp module) {
  ScaleSites sites(module);
  func::FuncOp micro = train::findFunction(module, train::FunctionKind::micro);
  func::FuncOp update =
      train::findFunction(module, train::FunctionKind::update);
  SmallPtrSet<Operation *, 2> done;
  StateUse otherUse = StateUse::None;
  CurrentUses current;
  auto scale = [&](Operation *function, StateUse use) {
    VariableStates states(function, use, sites);
    FunctionScaler scaler(function, use == StateUse::None ? nullptr : &states,
                          "no @micro records statistics");
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

//===----------------------------------------------------------------------===//
// What the passes are told of the train dialect
//===----------------------------------------------------------------------===//

namespace {
struct TrainingPrograms : ProgramDialectInterface {
  using ProgramDialectInterface::ProgramDialectInterface;

  bool isProgram(Operation *root) const override {
    auto isOf = [](Operation &op) {
      return isa<train::VariableOp>(op) || op.hasAttr(train::kFunctionAttr);
    };
    auto module = dyn_cast<ModuleOp>(root);
    return module ? llvm::any_of(*module.getBody(), isOf) : isOf(*root);
  }
  std::unique_ptr<ProgramFacts>
  getFacts(ModuleOp module, RecipeEvaluator &evaluator) const override {
    return std::make_unique<TrainingFacts>(module, evaluator);
  }
  LogicalResult insertScaling(ModuleOp module) const override {
    return insertProgramScaling(module);
  }
};
} // namespace

void fp8::registerTrainingPrograms(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *, train::TrainDialect *dialect) {
    dialect->addInterfaces<TrainingPrograms>();
  });
}
