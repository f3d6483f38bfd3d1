//===- FuseOptimizer.cpp - train-fuse-optimizer ---------------------------===//
//
// What the optimizer writes is quantised while it is computed: its scale comes
// from a bound that is known before. After this pass everything that @update
// does to a parameter is element-wise, and train-form-fusions makes one kernel
// of it.
//
//===----------------------------------------------------------------------===//

#include "Train/IR/Train.h"
#include "Train/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

namespace fp8c::train {
#define GEN_PASS_DEF_FUSEOPTIMIZER
#include "Train/Transforms/Passes.h.inc"
} // namespace fp8c::train

namespace {
/// A quantisation in @update whose scale a bound can give.
struct BoundedWrite {
  fp8::QuantizeOp quantize;
  AssignOp assign;
  VariableOp variable;
  AdamWOp update;
};

class OptimizerFuser {
public:
  explicit OptimizerFuser(ModuleOp module) : module(module), symbols(module) {}
  void run();

private:
  void findWrites(func::FuncOp update);
  Value getGradientBound(AdamWOp update);
  VariableOp declareStats(VariableOp of, StringRef suffix, bool isAmax);
  void boundScales(func::FuncOp update);
  AdamWOp limit(AdamWOp update, Value bound);
  void readScalesBack(func::FuncOp init);

  ModuleOp module;
  SymbolTable symbols;
  SmallVector<BoundedWrite> writes;
  DenseMap<Operation *, Value> gradientBounds;
};
} // namespace

/// `quantize(x, compute_scale(amax(x)))` with a scale that may be bounded.
static fp8::ComputeScaleOp getBoundableScale(fp8::QuantizeOp quantize) {
  auto scale = quantize.getScale().getDefiningOp<fp8::ComputeScaleOp>();
  auto amax =
      scale ? scale.getAmax().getDefiningOp<fp8::AmaxOp>() : fp8::AmaxOp();
  bool isOwn = amax && amax.getInput() == quantize.getInput();
  return isOwn && scale.getBounded() ? scale : fp8::ComputeScaleOp();
}

/// The assignment of a quantised value, or of a transpose that shares its
/// scale.
static AssignOp getAssign(Value value) {
  for (Operation *user : value.getUsers()) {
    if (auto assign = dyn_cast<AssignOp>(user))
      return assign;
  }
  for (Operation *user : value.getUsers())
    if (auto transpose = dyn_cast<fp8::TransposeOp>(user))
      if (AssignOp assign = getAssign(transpose.getOutput()))
        return assign;
  return {};
}

/// The parameter that an update reads, as it is stored; empty if it is none.
static StringRef getParameter(AdamWOp update) {
  Operation *op = update.getParameter().getDefiningOp();
  while (op && !isa<ReadOp>(op) && op->getNumOperands() == 1)
    op = op->getOperand(0).getDefiningOp();
  auto read = dyn_cast_or_null<ReadOp>(op);
  return read ? read.getVariable() : StringRef();
}

void OptimizerFuser::findWrites(func::FuncOp update) {
  llvm::StringMap<AdamWOp> updates;
  update.walk([&](AdamWOp op) {
    if (StringRef parameter = getParameter(op); !parameter.empty())
      updates[parameter] = op;
  });
  update.walk([&](fp8::QuantizeOp quantize) {
    AssignOp assign = getBoundableScale(quantize)
                          ? getAssign(quantize.getOutput())
                          : AssignOp();
    if (!assign)
      return;
    auto variable = symbols.lookup<VariableOp>(assign.getVariable());
    StringRef parameter =
        variable.getOf() ? *variable.getOf() : variable.getSymName();
    if (AdamWOp op = updates.lookup(parameter))
      writes.push_back({quantize, assign, variable, op});
  });
}

/// The gradient in the form that bounds its magnitudes: its storage, whose
/// scale says how large they can be, or an amax.
Value OptimizerFuser::getGradientBound(AdamWOp update) {
  Value &bound = gradientBounds[update];
  if (bound)
    return bound;
  Value gradient = update.getGradient();
  if (auto dequantize = gradient.getDefiningOp<fp8::DequantizeOp>())
    return bound = dequantize.getInput();
  OpBuilder builder(module.getContext());
  builder.setInsertionPointAfterValue(gradient);
  auto amax = fp8::AmaxOp::create(builder, update.getLoc(), gradient);
  setName(amax, getName(update));
  setPhase(amax, Phase::update);
  return bound = amax;
}

/// @"w.m.amax": statistics of the last write of @"w.m".
VariableOp OptimizerFuser::declareStats(VariableOp of, StringRef suffix,
                                        bool isAmax) {
  OpBuilder builder(module.getContext());
  builder.setInsertionPointAfter(of);
  MLIRContext *context = module.getContext();
  auto variable = VariableOp::create(
      builder, of.getLoc(),
      builder.getStringAttr(of.getSymName() + "." + suffix),
      TypeAttr::get(fp8::StatsType::get(context)),
      RoleAttr::get(context, Role::scale), ConstantInitAttr::get(context, 0.0),
      // Of which variable the runtime takes the first amax.
      !isAmax ? FlatSymbolRefAttr()
      : of.getRole() == Role::compute_weight
          ? of.getOfAttr()
          : FlatSymbolRefAttr::get(of.getSymNameAttr()));
  symbols.insert(variable);
  return variable;
}

/// The update with its quotient limited to `bound`.
AdamWOp OptimizerFuser::limit(AdamWOp update, Value bound) {
  OpBuilder builder(update);
  VariableOp parameter = symbols.lookup<VariableOp>(getParameter(update));
  VariableOp clamps = declareStats(parameter, "clamps", /*isAmax=*/false);
  auto limited = AdamWOp::create(
      builder, update.getLoc(), update.getNewParameter().getType(),
      update.getNewMoment1().getType(), update.getNewMoment2().getType(),
      fp8::StatsType::get(builder.getContext()), update.getParameter(),
      update.getGradient(), update.getMoment1(), update.getMoment2(),
      update.getCoefficient(), update.getLr(), update.getBeta1(),
      update.getBeta2(), update.getEps(), update.getWeightDecay(),
      update.getStep(), bound, update.getDecay());
  limited->setDiscardableAttrs(update->getDiscardableAttrDictionary());
  auto assign = AssignOp::create(builder, update.getLoc(), clamps.getSymName(),
                                 limited.getClamps());
  assign->setDiscardableAttrs(update->getDiscardableAttrDictionary());
  for (auto [old, now] : llvm::zip(update.getResults(), limited.getResults()))
    old.replaceAllUsesWith(now);
  update.erase();
  return limited;
}

void OptimizerFuser::boundScales(func::FuncOp update) {
  SmallVector<Value> amaxes, gradients;
  SmallVector<Attribute> variables;
  SmallVector<bool> decays, roots;
  SmallVector<VariableOp> stats;
  SmallVector<Type> scaleTypes;
  AdamWOp first = *update.getOps<AdamWOp>().begin();
  OpBuilder builder(first);
  for (BoundedWrite &write : writes) {
    stats.push_back(declareStats(write.variable, "amax", /*isAmax=*/true));
    auto read =
        ReadOp::create(builder, write.assign.getLoc(), stats.back().getType(),
                       stats.back().getSymName());
    read->setDiscardableAttrs(write.assign->getDiscardableAttrDictionary());
    amaxes.push_back(read);
    // A parameter's bound does not depend on its gradient.
    Role role = write.variable.getRole();
    bool isMoment = role == Role::moment1 || role == Role::moment2;
    gradients.push_back(isMoment ? getGradientBound(write.update)
                                 : Value(read));
    variables.push_back(
        FlatSymbolRefAttr::get(write.variable.getSymNameAttr()));
    scaleTypes.push_back(write.quantize.getScale().getType());
    decays.push_back(write.update.getDecay());
    roots.push_back(write.variable.getRole() == Role::moment2 &&
                    write.quantize.getInput().getDefiningOp<SqrtOp>());
  }
  auto seed = HyperOp::create(builder, first.getLoc(), "seed");
  auto scales = UpdateScalesOp::create(
      builder, first.getLoc(), first.getCoefficient().getType(),
      first.getCoefficient().getType(), scaleTypes, first.getCoefficient(),
      first.getLr(), first.getBeta1(), first.getBeta2(), first.getWeightDecay(),
      first.getStep(), seed, amaxes, gradients, builder.getArrayAttr(variables),
      builder.getDenseBoolArrayAttr(decays),
      builder.getDenseBoolArrayAttr(roots));
  setPhase(scales, Phase::update);

  llvm::SetVector<Operation *> updates;
  for (auto [i, write] : llvm::enumerate(writes)) {
    fp8::ComputeScaleOp old = getBoundableScale(write.quantize);
    Operation *amax = old.getAmax().getDefiningOp();
    write.quantize.getScaleMutable().set(scales.getScales()[i]);
    if (write.quantize.getStochasticAttr())
      write.quantize.getKeyMutable().assign(scales.getKey());
    for (Operation *op : {old.getOperation(), amax})
      if (op->use_empty())
        op->erase();
    builder.setInsertionPoint(write.assign);
    auto assign =
        AssignOp::create(builder, write.assign.getLoc(), stats[i].getSymName(),
                         write.quantize.getStats());
    assign->setDiscardableAttrs(write.assign->getDiscardableAttrDictionary());
    updates.insert(write.update);
  }
  for (Operation *op : updates)
    limit(cast<AdamWOp>(op), scales.getBound());
}

/// In @init the scales of compute weights are those of the last @update.
void OptimizerFuser::readScalesBack(func::FuncOp init) {
  llvm::StringSet<> bounded;
  for (BoundedWrite &write : writes)
    bounded.insert(write.variable.getSymName());
  SmallVector<fp8::QuantizeOp> quantizes(init.getOps<fp8::QuantizeOp>());
  for (fp8::QuantizeOp quantize : quantizes) {
    fp8::ComputeScaleOp old = getBoundableScale(quantize);
    AssignOp assign = old ? getAssign(quantize.getOutput()) : AssignOp();
    if (!assign || !bounded.contains(assign.getVariable()))
      continue;
    OpBuilder builder(quantize);
    auto stored = StoredScaleOp::create(builder, quantize.getLoc(),
                                        quantize.getScale().getType(),
                                        assign.getVariable());
    stored->setDiscardableAttrs(quantize->getDiscardableAttrDictionary());
    Operation *amax = old.getAmax().getDefiningOp();
    quantize.getScaleMutable().set(stored);
    for (Operation *op : {old.getOperation(), amax})
      if (op->use_empty())
        op->erase();
  }
}

void OptimizerFuser::run() {
  func::FuncOp update = findFunction(module, FunctionKind::update);
  if (!update)
    return;
  findWrites(update);
  if (writes.empty())
    return;
  boundScales(update);
  if (func::FuncOp init = findFunction(module, FunctionKind::init))
    readScalesBack(init);
}

namespace {
struct FuseOptimizer : train::impl::FuseOptimizerBase<FuseOptimizer> {
  using Base::Base;
  void runOnProgram() override { OptimizerFuser(getOperation()).run(); }
};
} // namespace
