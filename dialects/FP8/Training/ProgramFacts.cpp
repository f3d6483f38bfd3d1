//===- ProgramFacts.cpp - What recipes ask of a program -------------------===//

#include "FP8/Training/ProgramFacts.h"

#include "FP8/Transforms/Decision.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::fp8;

TrainingFacts::TrainingFacts(ModuleOp module, RecipeEvaluator &evaluator)
    : module(module), symbols(module), evaluator(evaluator), parts(module) {
  for (auto kind : {train::FunctionKind::micro, train::FunctionKind::forward})
    if (!counting)
      counting = train::findFunction(module, kind);
  for (auto variable : module.getOps<train::VariableOp>())
    notePartNames(variable);
  module.walk([&](train::ReadOp read) {
    notePartNames(read);
    SmallVector<StringRef> &ops = usedBy[read.getVariableAttr().getAttr()];
    for (Operation *user : read->getUsers())
      ops.push_back(user->getName().getStringRef());
    if (getPhase(read) == Phase::update &&
        !train::isInFunction(read, train::FunctionKind::update))
      accumulated.insert(read.getVariableAttr().getAttr());
  });
}

//===----------------------------------------------------------------------===//
// Variables
//===----------------------------------------------------------------------===//

/// In which type a gradient travels: as the recipe stores it, but a matrix no
/// wider than the model computes.
static FloatType getWire(const Settings &settings, int64_t rank) {
  if (settings.wire)
    return settings.wire->value;
  auto [format, scaled] = settings.storage->value;
  if (scaled && !isFP8(format)) // f16, whose range needs the scale
    return BFloat16Type::get(format.getContext());
  return format.isF32() && rank >= 2 ? settings.result->value : format;
}

LogicalResult TrainingFacts::assignVariable(train::VariableOp variable) {
  auto tensor = dyn_cast<RankedTensorType>(variable.getType());
  bool isState =
      llvm::is_contained({train::Role::parameter, train::Role::gradient,
                          train::Role::moment1, train::Role::moment2},
                         variable.getRole());
  if (!isState || !tensor || !isWide(tensor.getElementType()))
    return success();
  StringAttr owner = variable.getOfAttr() ? variable.getOfAttr().getAttr()
                                          : variable.getSymNameAttr();
  Settings settings = evaluator.forVariable(
      {variable.getSymName(), partNames[variable.getSymName()],
       stringifyRole(variable.getRole()), tensor.getRank(), usedBy[owner],
       parts.partOfParameter(owner)});
  auto [format, scaled] = settings.storage->value;
  bool isGradient = variable.getRole() == train::Role::gradient;
  bool isAccumulator = accumulated.contains(variable.getSymNameAttr());
  FloatType f32 = Float32Type::get(module.getContext());
  FloatType wire = getWire(settings, tensor.getRank());
  if (isGradient && train::isDataParallel(module))
    variable->setAttr(train::kWireAttr, TypeAttr::get(wire));
  if (isGradient && settings.nativeSum && settings.nativeSum->value) {
    if (!isFP8(wire))
      return emitError(settings.nativeSum->loc)
             << "'reduce: native' is for gradients that travel in FP8, but '"
             << variable.getSymName() << "' travels in " << nameOf(wire)
             << ": 'wire: e4m3' says so";
    if (module->hasAttr(train::kReproducibleAttr))
      return emitError(settings.nativeSum->loc)
             << "'reduce: native' sums in an order that depends on the number "
                "of processes: a reproducible training cannot have it";
    variable->setAttr(train::kNativeSumAttr,
                      UnitAttr::get(module.getContext()));
  }
  // Sums of micro-batches are f32. FP8 gradients are quantised once, in
  // @update.
  bool isWideSum = isGradient && isAccumulator && !scaled && format != f32;
  if (isWideSum)
    format = f32;
  Decision decision;
  decision.because(describePlace(settings.storage->loc));
  if (settings.squareRoot->value) {
    if (variable.getRole() != train::Role::moment2)
      return emitError(settings.squareRoot->loc)
             << "'expansion: sqrt' is for second moments, which are never "
                "negative; '"
             << variable.getSymName() << "' is a "
             << stringifyRole(variable.getRole());
    decision.because(describePlace(settings.squareRoot->loc) + " (expansion)");
  }
  if (settings.stochastic->value) {
    if (!scaled || isGradient)
      return emitError(settings.stochastic->loc)
             << "'rounding: stochastic' is for parameters and moments in "
                "f16-scaled, e4m3 or e5m2, but '"
             << variable.getSymName() << "' is " << (scaled ? "a gradient" : "")
             << (scaled ? "" : nameOf(format));
    decision.because(describePlace(settings.stochastic->loc) + " (rounding)");
  }
  if (isWideSum || (scaled && isAccumulator))
    decision.because("sums of micro-batches are f32");
  // A gradient that is no sum is quantised from whatever its producer gives.
  if (!scaled)
    storage[variable.getSymNameAttr()] = format;
  else if (!isGradient || isAccumulator)
    storage[variable.getSymNameAttr()] = f32;
  decision.storage = StorageAttr::get(
      format, scaled, settings.squareRoot->value, settings.stochastic->value);
  decision.attachTo(variable);
  return success();
}

LogicalResult TrainingFacts::assignVariables() {
  for (auto variable : module.getOps<train::VariableOp>())
    if (failed(assignVariable(variable)))
      return failure();
  flow.emplace(module, storage);
  return success();
}

//===----------------------------------------------------------------------===//
// Names
//===----------------------------------------------------------------------===//

/// Names live as long as the context.
void TrainingFacts::notePartNames(train::VariableOp variable) {
  train::VariableOp owner = variable;
  while (owner.getOf())
    owner = symbols.lookup<train::VariableOp>(*owner.getOf());
  if (auto joined = dyn_cast<train::JoinedInitAttr>(owner.getInit()))
    for (train::PartAttr part : joined.getParts())
      partNames[variable.getSymName()].push_back(StringAttr::get(
          module.getContext(),
          part.getNameOf(variable.getSymName(), owner.getSymName())));
}

/// Of the products that read a parameter with parts.
void TrainingFacts::notePartNames(train::ReadOp read) {
  auto variable = symbols.lookup<train::VariableOp>(read.getVariable());
  auto joined = variable ? dyn_cast<train::JoinedInitAttr>(variable.getInit())
                         : train::JoinedInitAttr();
  if (!joined)
    return;
  for (Operation *user : read->getUsers()) {
    StringRef name = train::getName(user);
    if (!getContraction(user) || name.empty())
      continue;
    SmallVector<StringRef> &products = partNames[name];
    if (products.empty())
      for (train::PartAttr part : joined.getParts())
        if (part.getProduct())
          products.push_back(part.getProduct());
  }
}

void TrainingFacts::addTo(OpFacts &facts, Operation *op) {
  if (auto names = partNames.find(facts.name); names != partNames.end())
    facts.partNames = names->second;
  facts.part = parts.partOfOp(facts.name);
}

//===----------------------------------------------------------------------===//
// Formats about which no rule decides
//===----------------------------------------------------------------------===//

/// No parameter is in these, so that nobody trains what rounding does to them;
/// and bf16 would not tell apart positions above 256.
void TrainingFacts::visit(Operation *op) {
  auto isTable = [&](train::ReadOp read) {
    auto variable = symbols.lookup<train::VariableOp>(read.getVariable());
    return variable &&
           llvm::is_contained({train::Role::buffer, train::Role::frozen},
                              variable.getRole());
  };
  auto read = dyn_cast<train::ReadOp>(op);
  if (isa<arith::ConstantOp>(op) || (read && isTable(read)))
    given.insert_range(op->getResults());
  auto precision = dyn_cast<PrecisionOpInterface>(op);
  bool keepsElements =
      isa<train::ScalarExpansionOpInterface>(op) ||
      (precision && op->getNumResults() > 0 &&
       precision.getResultPrecision(0) == ResultPrecision::Inherited);
  auto counts = [&](Value value) {
    return !train::isFloat(value) || counted.contains(value);
  };
  if (keepsElements && llvm::any_of(op->getOperands(), counts) &&
      llvm::all_of(op->getOperands(), [&](Value value) {
        return counts(value) || given.contains(value);
      }))
    counted.insert_range(op->getResults());
}

std::optional<ProgramFacts::Format> TrainingFacts::getFormat(OpResult result) {
  if (StorageFlow::Demand demand = flow->get(result); demand.format)
    return Format{demand.format, "storage of " + demand.variable.str()};
  if (counted.contains(result))
    return Format{getElementTypeOrSelf(result.getType()),
                  "computed from integers alone"};
  return std::nullopt;
}
