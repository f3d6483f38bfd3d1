//===- AssignPrecision.cpp - fp8-assign-precision -------------------------===//
//
// Evaluates a recipe on every op, and on the variables of a program, and writes
// down what it decides, with the place in the recipe that did. Later passes
// carry it out.
//
//===----------------------------------------------------------------------===//

#include "FP8/Transforms/Decision.h"
#include "FP8/Transforms/Eligibility.h"
#include "FP8/Transforms/Passes.h"
#include "FP8/Transforms/Programs.h"
#include "FP8/Transforms/ValueRoles.h"
#include "mlir/IR/BuiltinOps.h"
#include <map>

using namespace mlir;
using namespace fp8c;
using namespace fp8c::fp8;

namespace fp8c::fp8 {
#define GEN_PASS_DEF_ASSIGNPRECISION
#include "FP8/Transforms/Passes.h.inc"
} // namespace fp8c::fp8

namespace {

/// What became of the products of the function that runs most.
class ProductCounts {
public:
  /// In FP8; or refused it; or in the format that the recipe asks for.
  void add(bool isFP8, std::optional<std::string> obstacle, FloatType wide) {
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
  int64_t fp8 = 0;
  std::map<std::string, int64_t> refused, asked;
};

class Assigner {
public:
  Assigner(Operation *root, const Recipe &recipe)
      : root(root), recipe(recipe), evaluator(recipe, root) {
    auto module = dyn_cast<ModuleOp>(root);
    const ProgramDialectInterface *dialect = findProgramDialect(root);
    if (module && dialect)
      program = dialect->getFacts(module, evaluator);
  }

  LogicalResult run();

private:
  LogicalResult assignOp(Operation *op);
  LogicalResult assignOperands(FP8ContractionOpInterface op,
                               const OpFacts &facts, const Settings &settings,
                               Decision &decision);
  LogicalResult checkGranularities(FP8ContractionOpInterface op,
                                   const OpFacts &facts,
                                   const OperandSettings &lhs,
                                   const OperandSettings &rhs);
  void assignResults(PrecisionOpInterface op, const Settings &settings,
                     Decision &decision);
  OpFacts getFacts(Operation *op);

  Operation *root;
  const Recipe &recipe;
  RecipeEvaluator evaluator;
  ValueRoles roles;
  /// Null in a module that is no program.
  std::unique_ptr<ProgramFacts> program;
  ProductCounts products;
  bool hasContraction = false;
};

} // namespace

OpFacts Assigner::getFacts(Operation *op) {
  OpFacts facts;
  facts.op = op->getName().getStringRef();
  facts.name = getName(op);
  facts.layer = getLayer(facts.name);
  if (program)
    program->addTo(facts, op);
  if (FP8ContractionOpInterface contraction = getContraction(op)) {
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
  bool lhsFP8 = isFP8(lhs.format->value), rhsFP8 = isFP8(rhs.format->value);
  bool ownsTypes = isa<PrecisionOpInterface>(op.getOperation());
  bool isTwice = isa<Float8E5M2Type>(lhs.format->value) &&
                 isa<Float8E5M2Type>(rhs.format->value);
  if (isTwice && ownsTypes) {
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
  if (isTwice)
    obstacle = "both operands would be e5m2, which no hardware contracts";
  else if (lhsFP8 && rhsFP8)
    obstacle =
        getFP8Obstacle(op, lhs.granularity->value, rhs.granularity->value,
                       /*pads=*/true);
  else if (lhsFP8 || rhsFP8)
    obstacle = "only one of its operands is to be FP8";
  if (obstacle) {
    const Setting<FloatType> &asked = lhsFP8 ? *lhs.format : *rhs.format;
    std::string reason =
        (ownsTypes ? "stays in " + nameOf(lhs.wide.value) : "stays as it is") +
        ": " + *obstacle + " (" + describePlace(asked.loc) + " asks for " +
        nameOf(asked.value) + ")";
    op.emitRemark(reason);
    decision.because(reason);
  }

  bool isFP8 = lhsFP8 && rhsFP8 && !obstacle;
  if (program && program->isCounted(op))
    products.add(isFP8, obstacle, lhs.format->value);
  if (!isFP8 && !ownsTypes)
    return success(); // another compiler's op
  auto decide = [&](const OperandSettings &operand, StringRef side,
                    StringRef role) -> FailureOr<OperandAttr> {
    const Setting<FloatType> &format =
        fp8::isFP8(operand.format->value) && !isFP8 ? operand.wide
                                                    : *operand.format;
    decision.because(describePlace(format.loc) + " (" + side + ")");
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

void Assigner::assignResults(PrecisionOpInterface op, const Settings &settings,
                             Decision &decision) {
  SmallVector<Type> types;
  bool isUpdate = getPhase(op) == Phase::update, anyChosen = false;
  for (OpResult result : op->getResults()) {
    Type type = getElementTypeOrSelf(result.getType());
    if (op.getResultPrecision(result.getResultNumber()) ==
            ResultPrecision::Chosen &&
        isWide(type)) {
      anyChosen = true;
      std::optional<ProgramFacts::Format> given;
      if (program)
        given = program->getFormat(result);
      if (given) {
        type = given->type;
        decision.because(given->why);
      } else if (isUpdate) {
        decision.because("the optimizer's arithmetic");
      } else {
        type = settings.result->value;
        decision.because(describePlace(settings.result->loc) + " (result)");
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

LogicalResult Assigner::assignOp(Operation *op) {
  auto precision = dyn_cast<PrecisionOpInterface>(op);
  FP8ContractionOpInterface contraction = getContraction(op);
  if ((!precision && !contraction) || isa<MatmulOp>(op)) // which is lowered
    return success();
  OpFacts facts = getFacts(op);
  Settings settings = evaluator.forOp(facts);
  Decision decision;
  hasContraction |= bool(contraction);
  if (contraction &&
      failed(assignOperands(contraction, facts, settings, decision)))
    return failure();
  if (precision)
    assignResults(precision, settings, decision);
  decision.attachTo(op);
  return success();
}

LogicalResult Assigner::run() {
  if (program && failed(program->assignVariables()))
    return failure();
  WalkResult result = root->walk<WalkOrder::PreOrder>([&](Operation *op) {
    roles.visit(op);
    if (program)
      program->visit(op);
    return WalkResult(assignOp(op));
  });
  if (result.wasInterrupted())
    return failure();
  if (auto module = dyn_cast<ModuleOp>(root)) {
    module->setAttr(kRecipeAttr,
                    StringAttr::get(module.getContext(), recipe.name));
    products.attachTo(module);
  }
  // A recipe for models is no mistake where there is nothing to multiply.
  return hasContraction ? evaluator.checkAllApplied(program != nullptr)
                        : success();
}

namespace {
struct AssignPrecision : fp8::impl::AssignPrecisionBase<AssignPrecision> {
  using Base::Base;
  void runOnOperation() override {
    FailureOr<Recipe> read = readRecipe(recipe, getOperation()->getLoc());
    if (failed(read) || failed(Assigner(getOperation(), *read).run()))
      signalPassFailure();
  }
};
} // namespace
