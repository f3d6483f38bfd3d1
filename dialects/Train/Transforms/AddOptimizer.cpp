//===- AddOptimizer.cpp - train-add-optimizer -----------------------------===//

#include "Train/IR/Train.h"
#include "Train/Transforms/BuildUtils.h"
#include "Train/Transforms/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

namespace fp8c::train {
#define GEN_PASS_DEF_ADDOPTIMIZER
#include "Train/Transforms/Passes.h.inc"
} // namespace fp8c::train

namespace {
/// A parameter, its gradient's value in @micro and its optimizer state.
struct Trained {
  VariableOp parameter;
  Value value;
  VariableOp gradient = {}, moment1 = {}, moment2 = {};
};

/// Builds update ops that carry the name of the parameter at hand.
struct UpdateBuilder : OpBuilder {
  Annotator annotator;

  explicit UpdateBuilder(MLIRContext *context)
      : OpBuilder(context, &annotator) {
    annotator.phase = PhaseAttr::get(context, Phase::update);
  }
  void setParameter(VariableOp parameter) {
    annotator.name = parameter ? parameter.getSymNameAttr() : StringAttr();
  }
  Value read(VariableOp variable) {
    return ReadOp::create(*this, variable.getLoc(), variable.getType(),
                          variable.getSymName());
  }
  void assign(VariableOp variable, Value value) {
    AssignOp::create(*this, variable.getLoc(), variable.getSymName(), value);
  }
};

struct AddOptimizer : train::impl::AddOptimizerBase<AddOptimizer> {
  using Base::Base;

  void runOnProgram() override {
    if (failed(addOptimizer()))
      signalPassFailure();
  }

  LogicalResult addOptimizer();
};
} // namespace

/// The parameters whose gradients @micro returns.
static FailureOr<SmallVector<Trained>> findTrained(func::FuncOp micro,
                                                   SymbolTable &symbols) {
  SmallVector<Trained> all;
  ValueRange results = micro.getBody().front().getTerminator()->getOperands();
  for (unsigned i = 1, e = results.size(); i < e; ++i) {
    auto of = micro.getResultAttrOfType<FlatSymbolRefAttr>(i, kGradientOfAttr);
    auto parameter =
        of ? symbols.lookup<VariableOp>(of.getAttr()) : VariableOp();
    if (!parameter)
      return micro.emitOpError("result ")
             << i << " must name the parameter that it is the gradient of in "
             << kGradientOfAttr;
    all.push_back({parameter, results[i]});
  }
  if (all.empty())
    return micro.emitOpError("returns no gradients: run train-autodiff before "
                             "train-add-optimizer");
  return all;
}

/// Declares gradient and moments, which start at 0 and are f32: sums of many
/// small terms do not survive a narrower type.
static LogicalResult addState(MutableArrayRef<Trained> all,
                              SymbolTable &symbols) {
  for (Trained &t : all) {
    OpBuilder builder(t.parameter);
    Type type = withElementType(t.parameter.getType(), builder.getF32Type());
    auto init = ConstantInitAttr::get(builder.getContext(), 0.0);
    auto declare = [&](StringRef suffix, Role role) -> VariableOp {
      std::string name = (t.parameter.getSymName() + suffix).str();
      if (symbols.lookup(name)) {
        t.parameter.emitOpError("needs the name @\"")
            << name << "\" for its " << stringifyRole(role)
            << ", but it is taken";
        return {};
      }
      auto variable = VariableOp::create(
          builder, t.parameter.getLoc(), name, type, role, init,
          FlatSymbolRefAttr::get(t.parameter.getSymNameAttr()));
      symbols.insert(variable);
      return variable;
    };
    builder.setInsertionPointAfter(t.parameter);
    t.gradient = declare(".grad", Role::gradient);
    t.moment1 = declare(".m", Role::moment1);
    t.moment2 = declare(".v", Role::moment2);
    if (!t.gradient || !t.moment1 || !t.moment2)
      return failure();
  }
  return success();
}

/// The terms that a gradient is the sum of where a parameter has several uses,
/// in the order in which they are computed.
static SmallVector<Value> getTerms(Value gradient) {
  SmallVector<Value> terms, pending = {gradient};
  while (!pending.empty()) {
    Value value = pending.pop_back_val();
    auto add = value.getDefiningOp<AddOp>();
    bool isSum = add && value.hasOneUse() &&
                 llvm::all_of(add->getOperands(), [&](Value operand) {
                   return operand.getDefiningOp() &&
                          operand.getType() == value.getType();
                 });
    if (isSum)
      llvm::append_range(pending, add->getOperands());
    else
      terms.push_back(value);
  }
  llvm::stable_sort(terms, [](Value a, Value b) {
    return a != b && a.getDefiningOp()->isBeforeInBlock(b.getDefiningOp());
  });
  return terms;
}

/// Makes @micro put its gradients into the variables and return the loss only.
/// Each term is added where it is computed, so that none waits for the others.
static void storeGradients(func::FuncOp micro, ArrayRef<Trained> all,
                           bool accumulate) {
  UpdateBuilder builder(micro.getContext());
  for (const Trained &t : all) {
    builder.setParameter(t.parameter);
    VariableOp gradient = t.gradient;
    Value sum;
    for (Value term : getTerms(t.value)) {
      builder.setInsertionPointAfterValue(term);
      // Two terms may stem from one op, whose place is before the first sum.
      if (sum && term.getDefiningOp()->isBeforeInBlock(sum.getDefiningOp()))
        builder.setInsertionPointAfterValue(sum);
      if (!sum && !accumulate) {
        sum = term;
        continue;
      }
      if (!sum)
        sum = ReadOp::create(builder, gradient.getLoc(), gradient.getType(),
                             gradient.getSymName(), /*accumulated=*/true);
      sum = AddOp::create(builder, gradient.getLoc(), gradient.getType(), sum,
                          term);
    }
    builder.assign(gradient, sum);
  }
  Block &block = micro.getBody().front();
  block.getTerminator()->eraseOperands(1, all.size());
  llvm::BitVector erased(micro.getNumResults(), true);
  erased.reset(0);
  LogicalResult result = micro.eraseResults(erased);
  assert(succeeded(result) && "func.func gives up results");
  (void)result;
  eraseDeadOps(block);
}

/// Builds @update: norm, clip coefficient, and for each parameter AdamW. The
/// gradients stay: the first micro-batch of the next step writes over them.
static func::FuncOp makeUpdate(Location loc, ArrayRef<Trained> all) {
  UpdateBuilder builder(loc.getContext());
  auto scalar = RankedTensorType::get({}, builder.getF32Type());
  auto update =
      func::FuncOp::create(loc, "", builder.getFunctionType({}, {scalar}));
  setFunctionKind(update, FunctionKind::update);
  update.setResultAttr(0, kNameAttr, builder.getStringAttr("grad_norm"));
  builder.setInsertionPointToStart(update.addEntryBlock());

  SmallVector<Value> gradients, squares;
  for (const Trained &t : all) {
    builder.setParameter(t.parameter);
    gradients.push_back(builder.read(t.gradient));
    squares.push_back(SumSquaresOp::create(builder, loc, gradients.back()));
  }
  builder.setParameter({});
  auto hyper = [&](StringRef symbol) -> Value {
    return HyperOp::create(builder, loc, symbol);
  };
  auto clip =
      ClipCoefficientOp::create(builder, loc, hyper("clip_norm"), squares);
  Value lr = hyper("lr"), beta1 = hyper("beta1"), beta2 = hyper("beta2");
  Value eps = hyper("eps"), decay = hyper("weight_decay"), step = hyper("step");

  for (auto [t, gradient] : llvm::zip_equal(all, gradients)) {
    VariableOp parameter = t.parameter, moment1 = t.moment1,
               moment2 = t.moment2;
    builder.setParameter(parameter);
    // Biases and gains have one dimension; decay would only shrink them.
    bool decays = cast<ShapedType>(parameter.getType()).getRank() >= 2;
    Value p = builder.read(parameter);
    Value m = builder.read(moment1), v = builder.read(moment2);
    auto adamw = AdamWOp::create(
        builder, parameter.getLoc(), p.getType(), m.getType(), v.getType(),
        /*clamps=*/Type(), p, gradient, m, v, clip.getCoefficient(), lr, beta1,
        beta2, eps, decay, step, /*bound=*/Value(), decays);
    builder.assign(parameter, adamw.getNewParameter());
    builder.assign(moment1, adamw.getNewMoment1());
    builder.assign(moment2, adamw.getNewMoment2());
  }
  builder.setParameter({});
  func::ReturnOp::create(builder, loc, clip.getNorm());
  return update;
}

LogicalResult AddOptimizer::addOptimizer() {
  ModuleOp module = getOperation();
  SymbolTable symbols(module);
  FailureOr<func::FuncOp> found =
      requireFunction(module, FunctionKind::micro,
                      "run train-autodiff before train-add-optimizer");
  if (failed(found) || failed(verifyAbsent(module, FunctionKind::update,
                                           "was an optimizer added before?")))
    return failure();
  func::FuncOp micro = *found;
  FailureOr<SmallVector<Trained>> all = findTrained(micro, symbols);
  if (failed(all) || failed(addState(*all, symbols)))
    return failure();
  storeGradients(micro, *all, /*accumulate=*/microBatches == 0);
  symbols.insert(makeUpdate(micro.getLoc(), *all),
                 std::next(Block::iterator(micro)));
  // What the runtime must know: another micro-batch would overwrite the first.
  if (microBatches)
    module->setAttr(
        kMicroBatchesAttr,
        IntegerAttr::get(IntegerType::get(&getContext(), 64), microBatches));
  return success();
}
