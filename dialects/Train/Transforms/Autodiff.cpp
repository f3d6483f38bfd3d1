//===- Autodiff.cpp - train-autodiff --------------------------------------===//
//
// Reverse mode, once through the function: the forward ops stay, and for each
// of them, last to first, its VJP is appended. Only ops between a parameter and
// the loss are differentiated.
//
//===----------------------------------------------------------------------===//

#include "Train/IR/Train.h"
#include "Train/IR/TrainVJP.h"
#include "Train/Transforms/BuildUtils.h"
#include "Train/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

namespace fp8c::train {
#define GEN_PASS_DEF_AUTODIFF
#include "Train/Transforms/Passes.h.inc"
} // namespace fp8c::train

namespace {
class Differentiator {
public:
  Differentiator(func::FuncOp function, SymbolTable &symbols)
      : function(function), body(function.getBody().front()), symbols(symbols),
        builder(body.getTerminator(), &annotator) {
    annotator.phase = PhaseAttr::get(builder.getContext(), Phase::dgrad);
  }

  /// Appends the backward pass.
  LogicalResult run();

  /// The gradient of a parameter, null if the loss does not depend on it.
  Value gradientOf(VariableOp parameter) const {
    return parameters.lookup(parameter.getSymNameAttr());
  }

private:
  void findVarying();
  LogicalResult differentiate(Operation *op);
  void accumulate(Value &sum, Value gradient, Value of);

  func::FuncOp function;
  Block &body;
  SymbolTable &symbols;
  Annotator annotator;
  OpBuilder builder;
  /// Values that change with a parameter.
  DenseSet<Value> varying;
  DenseMap<Value, Value> cotangents;
  DenseMap<StringAttr, Value> parameters;
};
} // namespace

/// Whether what the op computes is not all in its operands and results.
static bool isOpaque(Operation *op) {
  return op->getNumRegions() || isa<CallOpInterface>(op);
}

void Differentiator::findVarying() {
  auto isVarying = [&](Value value) { return varying.contains(value); };
  for (Operation &op : body) {
    bool varies = isOpaque(&op) || llvm::any_of(op.getOperands(), isVarying);
    if (auto read = dyn_cast<ReadOp>(op)) {
      auto variable = symbols.lookup<VariableOp>(read.getVariable());
      varies = variable.getRole() == Role::parameter;
    }
    if (varies)
      varying.insert_range(llvm::make_filter_range(op.getResults(), isFloat));
  }
}

/// Adds a gradient of the value `of` to the sum so far.
void Differentiator::accumulate(Value &sum, Value gradient, Value of) {
  sum = sum ? markIfParameter(AddOp::create(builder, gradient.getLoc(),
                                            gradient.getType(), sum, gradient),
                              of)
            : gradient;
}

LogicalResult Differentiator::differentiate(Operation *op) {
  SmallVector<Value> dresults;
  for (Value result : op->getResults())
    dresults.push_back(varying.contains(result) ? cotangents.lookup(result)
                                                : Value());
  if (llvm::none_of(dresults, [](Value v) { return static_cast<bool>(v); }))
    return success();

  if (auto read = dyn_cast<ReadOp>(op)) {
    annotator.name = op->getDiscardableAttr(kNameAttr);
    accumulate(parameters[read.getVariableAttr().getAttr()], dresults.front(),
               read.getValue());
    return success();
  }

  auto differentiable = dyn_cast<DifferentiableOpInterface>(op);
  if (!differentiable) {
    InFlightDiagnostic diag = op->emitOpError();
    if (StringRef name = getName(op); !name.empty())
      diag << "'" << name << "' ";
    return diag << "has no gradient, but the loss depends on a parameter "
                   "through it";
  }
  annotator.name = op->getDiscardableAttr(kNameAttr);
  SmallVector<bool> needed;
  for (Value operand : op->getOperands())
    needed.push_back(varying.contains(operand));
  SmallVector<Value> gradients =
      differentiable.buildVJP(builder, dresults, needed);
  if (gradients.empty())
    return failure();
  assert(gradients.size() == op->getNumOperands() && "one per operand");
  for (auto [operand, gradient] : llvm::zip(op->getOperands(), gradients)) {
    if (!gradient)
      continue;
    assert(gradient.getType() == operand.getType() && "VJP of another type");
    accumulate(cotangents[operand], gradient, operand);
  }
  return success();
}

LogicalResult Differentiator::run() {
  findVarying();
  SmallVector<Operation *> forward;
  for (Operation &op : body.without_terminator())
    forward.push_back(&op);

  Value loss = body.getTerminator()->getOperand(0);
  if (Operation *op = loss.getDefiningOp())
    annotator.name = op->getDiscardableAttr(kNameAttr);
  cotangents[loss] = HyperOp::create(builder, loss.getLoc(), "grad_scale");

  for (Operation *op : llvm::reverse(forward))
    if (failed(differentiate(op)))
      return failure();
  return success();
}

/// Returns the gradients behind the loss, each marked with its parameter.
static void returnGradients(func::FuncOp function, ArrayRef<Value> gradients,
                            ArrayRef<VariableOp> parameters) {
  Builder builder(function.getContext());
  SmallVector<unsigned> indices(gradients.size(), function.getNumResults());
  SmallVector<DictionaryAttr> attrs;
  for (VariableOp parameter : parameters)
    attrs.push_back(builder.getDictionaryAttr(builder.getNamedAttr(
        kGradientOfAttr, FlatSymbolRefAttr::get(parameter))));
  LogicalResult inserted =
      function.insertResults(indices, ValueRange(gradients).getTypes(), attrs);
  assert(succeeded(inserted) && "func.func takes more results");
  (void)inserted;
  Operation *terminator = function.getBody().front().getTerminator();
  terminator->insertOperands(terminator->getNumOperands(), gradients);
}

static LogicalResult reportNothingTrained(func::FuncOp eval) {
  auto variables = cast<ModuleOp>(eval->getParentOp()).getOps<VariableOp>();
  bool hasFrozen = llvm::any_of(variables, [](VariableOp variable) {
    return variable.getRole() == Role::frozen;
  });
  return eval.emitOpError("returns a loss that depends on no parameter")
         << (hasFrozen ? " that is trained: all that it depends on are frozen"
                       : "");
}

namespace {
struct Autodiff : train::impl::AutodiffBase<Autodiff> {
  using Base::Base;

  void runOnProgram() override {
    if (failed(makeMicro()))
      signalPassFailure();
  }

  LogicalResult makeMicro() {
    ModuleOp module = getOperation();
    SymbolTable symbols(module);
    FailureOr<func::FuncOp> found =
        requireFunction(module, FunctionKind::eval,
                        "run train-append-loss before train-autodiff");
    if (failed(found) || failed(verifyAbsent(module, FunctionKind::micro,
                                             "was it differentiated before?")))
      return failure();
    func::FuncOp eval = *found;
    auto scalar = RankedTensorType::get({}, Float32Type::get(&getContext()));
    if (eval.getNumResults() != 1 || eval.getResultTypes().front() != scalar)
      return eval.emitOpError("must return the loss, a ") << scalar;

    auto micro = eval.clone();
    setFunctionKind(micro, FunctionKind::micro);
    symbols.insert(micro, std::next(Block::iterator(eval)));

    Differentiator differentiator(micro, symbols);
    if (failed(differentiator.run()))
      return failure();

    SmallVector<Value> gradients;
    SmallVector<VariableOp> parameters;
    for (auto variable : module.getOps<VariableOp>()) {
      if (variable.getRole() != Role::parameter)
        continue;
      if (Value gradient = differentiator.gradientOf(variable)) {
        gradients.push_back(gradient);
        parameters.push_back(variable);
      } else {
        variable.emitRemark("the loss does not depend on this parameter: it "
                            "stays as it is");
      }
    }
    if (gradients.empty())
      return reportNothingTrained(eval);
    returnGradients(micro, gradients, parameters);
    eraseDeadOps(micro.getBody().front());
    return success();
  }
};
} // namespace
