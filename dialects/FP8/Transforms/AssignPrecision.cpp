//===- AssignPrecision.cpp - fp8-assign-precision -------------------------===//
//
// Evaluates a recipe on every variable and op and writes down what it decides,
// with the place in the recipe that did. Later passes carry it out.
//
//===----------------------------------------------------------------------===//

#include "FP8/Transforms/Eligibility.h"
#include "FP8/Transforms/ModelParts.h"
#include "FP8/Transforms/Passes.h"
#include "FP8/Transforms/Recipe.h"
#include "FP8/Transforms/StorageFlow.h"
#include "FP8/Transforms/ValueRoles.h"
#include "Train/IR/Precision.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Path.h"
#include <map>

using namespace mlir;
using namespace fp8c;
using namespace fp8c::fp8;

namespace fp8c::fp8 {
#define GEN_PASS_DEF_ASSIGNPRECISION
#include "FP8/Transforms/Passes.h.inc"
} // namespace fp8c::fp8

/// "fp8-delayed.yaml:33"
static std::string place(FileLineColLoc loc) {
  return (llvm::sys::path::filename(loc.getFilename().getValue()) + ":" +
          Twine(loc.getLine()))
      .str();
}

static std::string nameOf(FloatType type) {
  std::string name;
  llvm::raw_string_ostream(name) << type;
  return name;
}

namespace {

/// A `train.precision` in the making.
class Decision {
public:
  /// Reasons stand in the order in which they are given, each once.
  void because(const Twine &reason) {
    std::string text = reason.str();
    if (StringRef(why).contains(text))
      return;
    if (!why.empty())
      why += ", ";
    why += text;
  }
  void attachTo(Operation *op) {
    if (result.empty() && !lhs && !storage && why.empty())
      return;
    MLIRContext *context = op->getContext();
    op->setDiscardableAttr(
        train::kPrecisionAttr,
        train::PrecisionAttr::get(context, result, lhs, rhs, fastAccum, storage,
                                  StringAttr::get(context, why)));
  }

  SmallVector<Type> result;
  OperandAttr lhs, rhs;
  bool fastAccum = false;
  train::StorageAttr storage;

private:
  std::string why;
};

/// What became of the products of the function that runs most.
class ProductCounts {
public:
  explicit ProductCounts(ModuleOp module) {
    for (auto kind : {train::FunctionKind::micro, train::FunctionKind::forward})
      if (!counted)
        counted = train::findFunction(module, kind);
  }

  /// In FP8; or refused it; or in the format that the recipe asks for.
  void add(Operation *op, bool isFP8, std::optional<std::string> obstacle,
           FloatType wide) {
    if (!counted || op->getParentOfType<func::FuncOp>() != counted)
      return;
    if (obstacle)
      ++refused[*obstacle];
    else if (isFP8)
      ++fp8;
    else
      ++asked[nameOf(wide)];
  }
  /// Nothing is said of a module whose recipe asks for no FP8.
  void attachTo(ModuleOp module) const {
    if (!fp8 && refused.empty())
      return;
    Builder builder(module.getContext());
    auto toAttr = [&](const std::map<std::string, int64_t> &counts) {
      NamedAttrList entries;
      for (auto &[reason, count] : counts)
        entries.append(reason, builder.getI64IntegerAttr(count));
      return builder.getDictionaryAttr(entries);
    };
    NamedAttrList entries;
    entries.append(kProductsFP8Key, builder.getI64IntegerAttr(fp8));
    entries.append(kProductsRefusedKey, toAttr(refused));
    entries.append(kProductsAskedKey, toAttr(asked));
    module->setAttr(kProductsAttr, builder.getDictionaryAttr(entries));
  }

private:
  func::FuncOp counted;
  int64_t fp8 = 0;
  std::map<std::string, int64_t> refused, asked;
};

class Assigner {
public:
  Assigner(ModuleOp module, const Recipe &recipe)
      : module(module), symbols(module), recipe(recipe),
        evaluator(recipe, module), roles(module), parts(module),
        products(module) {
    for (auto variable : module.getOps<train::VariableOp>())
      notePartNames(variable);
    module.walk([&](train::ReadOp read) {
      notePartNames(read);
      SmallVector<StringRef> &ops = usedBy[read.getVariableAttr().getAttr()];
      for (Operation *user : read->getUsers())
        ops.push_back(user->getName().getStringRef());
      if (train::getPhase(read) == train::Phase::update &&
          !train::isInFunction(read, train::FunctionKind::update))
        accumulated.insert(read.getVariableAttr().getAttr());
    });
  }

  LogicalResult run();

private:
  LogicalResult assignVariable(train::VariableOp variable);
  LogicalResult assignOp(Operation *op, const StorageFlow &flow);
  LogicalResult assignOperands(FP8ContractionOpInterface op,
                               const OpFacts &facts, const Settings &settings,
                               Decision &decision);
  LogicalResult checkGranularities(FP8ContractionOpInterface op,
                                   const OpFacts &facts,
                                   const OperandSettings &lhs,
                                   const OperandSettings &rhs);
  void assignResults(train::PrecisionOpInterface op, const Settings &settings,
                     const StorageFlow &flow, Decision &decision);
  OpFacts getFacts(Operation *op);
  void notePartNames(train::VariableOp variable);
  void notePartNames(train::ReadOp read);
  void noteCounted(Operation *op);

  ModuleOp module;
  SymbolTable symbols;
  const Recipe &recipe;
  RecipeEvaluator evaluator;
  ValueRoles roles;
  ModelParts parts;
  ProductCounts products;
  bool hasContraction = false;
  DenseMap<StringAttr, FloatType> storage;
  /// Ops that read each parameter.
  DenseMap<StringAttr, SmallVector<StringRef>> usedBy;
  /// What the model calls the parts of variables, and the products that read
  /// parts of one.
  DenseMap<StringRef, SmallVector<StringRef>> partNames;
  /// Gradients that @micro adds to.
  DenseSet<StringAttr> accumulated;
  /// Floats that are computed element by element from integers, constants and
  /// tables alone: positions and their angles, masks; and those constants and
  /// tables.
  DenseSet<Value> counted, given;
};

} // namespace

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

LogicalResult Assigner::assignVariable(train::VariableOp variable) {
  auto tensor = dyn_cast<RankedTensorType>(variable.getType());
  bool isState =
      llvm::is_contained({train::Role::parameter, train::Role::gradient,
                          train::Role::moment1, train::Role::moment2},
                         variable.getRole());
  if (!isState || !tensor || !train::isWide(tensor.getElementType()))
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
  decision.because(place(settings.storage->loc));
  if (settings.squareRoot->value) {
    if (variable.getRole() != train::Role::moment2)
      return emitError(settings.squareRoot->loc)
             << "'expansion: sqrt' is for second moments, which are never "
                "negative; '"
             << variable.getSymName() << "' is a "
             << stringifyRole(variable.getRole());
    decision.because(place(settings.squareRoot->loc) + " (expansion)");
  }
  if (settings.stochastic->value) {
    if (!scaled || isGradient)
      return emitError(settings.stochastic->loc)
             << "'rounding: stochastic' is for parameters and moments in "
                "f16-scaled, e4m3 or e5m2, but '"
             << variable.getSymName() << "' is " << (scaled ? "a gradient" : "")
             << (scaled ? "" : nameOf(format));
    decision.because(place(settings.stochastic->loc) + " (rounding)");
  }
  if (isWideSum || (scaled && isAccumulator))
    decision.because("sums of micro-batches are f32");
  // A gradient that is no sum is quantised from whatever its producer gives.
  if (!scaled)
    storage[variable.getSymNameAttr()] = format;
  else if (!isGradient || isAccumulator)
    storage[variable.getSymNameAttr()] = f32;
  decision.storage = train::StorageAttr::get(
      format, scaled, settings.squareRoot->value, settings.stochastic->value);
  decision.attachTo(variable);
  return success();
}

/// Names live as long as the context.
void Assigner::notePartNames(train::VariableOp variable) {
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
void Assigner::notePartNames(train::ReadOp read) {
  auto variable = symbols.lookup<train::VariableOp>(read.getVariable());
  auto joined = variable ? dyn_cast<train::JoinedInitAttr>(variable.getInit())
                         : train::JoinedInitAttr();
  if (!joined)
    return;
  for (Operation *user : read->getUsers()) {
    StringRef name = train::getName(user);
    if (!isa<FP8ContractionOpInterface>(user) || name.empty())
      continue;
    SmallVector<StringRef> &products = partNames[name];
    if (products.empty())
      for (train::PartAttr part : joined.getParts())
        if (part.getProduct())
          products.push_back(part.getProduct());
  }
}

OpFacts Assigner::getFacts(Operation *op) {
  OpFacts facts;
  facts.op = op->getName().getStringRef();
  facts.name = train::getName(op);
  if (auto parts = partNames.find(facts.name); parts != partNames.end())
    facts.partNames = parts->second;
  facts.layer = train::getLayer(facts.name);
  facts.part = parts.partOfOp(facts.name);
  if (auto contraction = dyn_cast<FP8ContractionOpInterface>(op)) {
    facts.gemm = getGemm(op);
    facts.lhsRole = roles.get(contraction.getContractionLhs().get());
    facts.rhsRole = roles.get(contraction.getContractionRhs().get());
  }
  return facts;
}

/// Combinations that do not exist, whatever the shapes.
LogicalResult Assigner::checkGranularities(FP8ContractionOpInterface op,
                                           const OpFacts &facts,
                                           const OperandSettings &lhs,
                                           const OperandSettings &rhs) {
  for (const OperandSettings *operand : {&lhs, &rhs}) {
    Granularity granularity = operand->granularity->value;
    if (granularity == Granularity::Tensor)
      continue;
    if (operand->scaling->value != Scaling::Current)
      return emitError(operand->scaling->loc)
             << "only one scale per tensor can be "
             << (operand->scaling->value == Scaling::Delayed ? "delayed"
                                                             : "bounded")
             << ", but an operand of '" << facts.name << "' has granularity '"
             << stringifyGranularity(granularity)
             << "'; use 'scaling: current' or 'granularity: tensor'";
  }
  auto conflict =
      getGranularityConflict(lhs.granularity->value, rhs.granularity->value);
  if (!conflict)
    return success();
  // Of the two places the later one broke what was whole.
  FileLineColLoc loc = std::max(lhs.granularity->loc, rhs.granularity->loc,
                                [](FileLineColLoc a, FileLineColLoc b) {
                                  return a.getLine() < b.getLine();
                                });
  InFlightDiagnostic diag = emitError(loc)
                            << "no hardware contracts the operands of '"
                            << facts.name << "' so: " << *conflict;
  diag.attachNote(op.getLoc()) << "of this " << facts.gemm << " contraction";
  return diag;
}

LogicalResult Assigner::assignOperands(FP8ContractionOpInterface op,
                                       const OpFacts &facts,
                                       const Settings &settings,
                                       Decision &decision) {
  OperandSettings lhs = evaluator.forOperand(facts, kLhs, facts.lhsRole);
  OperandSettings rhs = evaluator.forOperand(facts, kRhs, facts.rhsRole);
  bool lhsFP8 = train::isFP8(lhs.format->value),
       rhsFP8 = train::isFP8(rhs.format->value);
  if (isa<Float8E5M2Type>(lhs.format->value) &&
      isa<Float8E5M2Type>(rhs.format->value)) {
    InFlightDiagnostic diag =
        emitError(rhs.format->loc)
        << "both operands of '" << facts.name
        << "' would be e5m2, which no hardware contracts; keep one e4m3";
    diag.attachNote(op.getLoc()) << "of this " << facts.gemm << " contraction";
    return diag;
  }

  if (lhsFP8 && rhsFP8 && failed(checkGranularities(op, facts, lhs, rhs)))
    return failure();

  // What the recipe asks for and the hardware cannot do is said aloud.
  std::optional<std::string> obstacle;
  if (lhsFP8 && rhsFP8)
    obstacle =
        getFP8Obstacle(op, lhs.granularity->value, rhs.granularity->value,
                       /*pads=*/true);
  else if (lhsFP8 || rhsFP8)
    obstacle = "only one of its operands is to be FP8";
  bool ownsTypes = isa<train::PrecisionOpInterface>(op.getOperation());
  if (obstacle) {
    const Setting<FloatType> &asked = lhsFP8 ? *lhs.format : *rhs.format;
    std::string reason =
        (ownsTypes ? "stays in " + nameOf(lhs.wide.value) : "stays as it is") +
        ": " + *obstacle + " (" + place(asked.loc) + " asks for " +
        nameOf(asked.value) + ")";
    op.emitRemark(reason);
    decision.because(reason);
  }

  bool isFP8 = lhsFP8 && rhsFP8 && !obstacle;
  products.add(op, isFP8, obstacle, lhs.format->value);
  if (!isFP8 && !ownsTypes)
    return success(); // another compiler's op
  auto decide = [&](const OperandSettings &operand, StringRef side,
                    StringRef role) -> FailureOr<OperandAttr> {
    const Setting<FloatType> &format =
        train::isFP8(operand.format->value) && !isFP8 ? operand.wide
                                                      : *operand.format;
    decision.because(place(format.loc) + " (" + side + ")");
    if (!isFP8)
      return OperandAttr::get(format.value, Scaling::Current, /*window=*/0,
                              /*margin=*/0, /*pow2=*/false,
                              Granularity::Tensor);
    Scaling scaling = operand.scaling->value;
    if (scaling == Scaling::Bounded && role != kWeight)
      return emitError(operand.scaling->loc)
             << "'bounded' scaling is for weights: of the " << role << " of '"
             << facts.name << "' nothing bounds the next value; use delayed or "
             << "current";
    return OperandAttr::get(
        format.value, scaling,
        scaling == Scaling::Delayed ? operand.window->value : 0,
        operand.margin->value, operand.pow2->value, operand.granularity->value);
  };
  FailureOr<OperandAttr> left = decide(lhs, kLhs, facts.lhsRole);
  if (failed(left))
    return failure();
  FailureOr<OperandAttr> right = decide(rhs, kRhs, facts.rhsRole);
  if (failed(right))
    return failure();
  decision.lhs = *left;
  decision.rhs = *right;
  // Hopper adds sums of blocks in 32 bits, whatever it is told.
  bool isBlocked = isFP8 && isBlock(lhs.granularity->value);
  decision.fastAccum = isFP8 && settings.fastAccum->value && !isBlocked;
  return success();
}

/// No parameter is in these, so that nobody trains what rounding does to them;
/// and bf16 would not tell apart positions above 256.
void Assigner::noteCounted(Operation *op) {
  auto isTable = [&](train::ReadOp read) {
    auto variable = symbols.lookup<train::VariableOp>(read.getVariable());
    return variable &&
           llvm::is_contained({train::Role::buffer, train::Role::frozen},
                              variable.getRole());
  };
  auto read = dyn_cast<train::ReadOp>(op);
  if (isa<arith::ConstantOp>(op) || (read && isTable(read)))
    given.insert_range(op->getResults());
  auto precision = dyn_cast<train::PrecisionOpInterface>(op);
  bool keepsElements =
      isa<train::ScalarExpansionOpInterface>(op) ||
      (precision && op->getNumResults() > 0 &&
       precision.getResultPrecision(0) == train::ResultPrecision::Inherited);
  auto counts = [&](Value value) {
    return !train::isFloat(value) || counted.contains(value);
  };
  if (keepsElements && llvm::any_of(op->getOperands(), counts) &&
      llvm::all_of(op->getOperands(), [&](Value value) {
        return counts(value) || given.contains(value);
      }))
    counted.insert_range(op->getResults());
}

void Assigner::assignResults(train::PrecisionOpInterface op,
                             const Settings &settings, const StorageFlow &flow,
                             Decision &decision) {
  SmallVector<Type> types;
  bool isUpdate = train::getPhase(op) == train::Phase::update,
       anyChosen = false;
  for (OpResult result : op->getResults()) {
    Type type = getElementTypeOrSelf(result.getType());
    if (op.getResultPrecision(result.getResultNumber()) ==
            train::ResultPrecision::Chosen &&
        train::isWide(type)) {
      StorageFlow::Demand demand = flow.get(result);
      anyChosen = true;
      if (demand.format) {
        type = demand.format;
        decision.because("storage of " + demand.variable.getValue());
      } else if (counted.contains(result)) {
        decision.because("computed from integers alone");
      } else if (isUpdate) {
        decision.because("the optimizer's arithmetic");
      } else {
        type = settings.result->value;
        decision.because(place(settings.result->loc) + " (result)");
      }
    }
    types.push_back(type);
  }
  if (!anyChosen)
    return;
  if (llvm::all_equal(types))
    types.truncate(1);
  decision.result = std::move(types);
}

LogicalResult Assigner::assignOp(Operation *op, const StorageFlow &flow) {
  auto precision = dyn_cast<train::PrecisionOpInterface>(op);
  auto contraction = dyn_cast<FP8ContractionOpInterface>(op);
  if (!precision && !contraction)
    return success();
  OpFacts facts = getFacts(op);
  Settings settings = evaluator.forOp(facts);
  Decision decision;
  hasContraction |= bool(contraction);
  if (contraction &&
      failed(assignOperands(contraction, facts, settings, decision)))
    return failure();
  if (precision)
    assignResults(precision, settings, flow, decision);
  decision.attachTo(op);
  return success();
}

LogicalResult Assigner::run() {
  for (auto variable : module.getOps<train::VariableOp>())
    if (failed(assignVariable(variable)))
      return failure();
  StorageFlow flow(module, storage);
  WalkResult result = module.walk<WalkOrder::PreOrder>([&](Operation *op) {
    roles.visit(op);
    noteCounted(op);
    return WalkResult(assignOp(op, flow));
  });
  if (result.wasInterrupted())
    return failure();
  module->setAttr(kRecipeAttr,
                  StringAttr::get(module.getContext(), recipe.name));
  products.attachTo(module);
  // A recipe for models is no mistake where there is nothing to multiply.
  return hasContraction ? evaluator.checkAllApplied() : success();
}

namespace {
struct AssignPrecision : fp8::impl::AssignPrecisionBase<AssignPrecision> {
  using Base::Base;
  bool takesSeveralBlocks() const override { return true; }
  void runOnProgram() override {
    FailureOr<Recipe> read = readRecipe(recipe, getOperation().getLoc());
    if (failed(read) || failed(Assigner(getOperation(), *read).run()))
      signalPassFailure();
  }
};
} // namespace
