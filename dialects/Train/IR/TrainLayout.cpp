//===- TrainLayout.cpp - What differs between processes -------------------===//

#include "Train/IR/TrainLayout.h"

#include "FP8/IR/FP8.h"
#include "Train/IR/Functions.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

/// The hyperparameter that weighs a micro-batch by its labels.
static constexpr StringLiteral kMicroBatchWeight = "grad_scale";

/// The last of those that make gradients in a step.
static bool completesGradients(std::optional<FunctionKind> kind,
                               bool hasLastMicro) {
  return kind ==
         (hasLastMicro ? FunctionKind::micro_last : FunctionKind::micro);
}

Layout::Layout(ModuleOp module)
    : module(module), symbols(module),
      hasLastMicro(findFunction(module, FunctionKind::micro_last) != nullptr) {
  // What @update reads depends on what the others have left.
  SmallVector<func::FuncOp> functions = getFunctions(module);
  llvm::stable_sort(functions, [](func::FuncOp a, func::FuncOp b) {
    auto isLate = [](func::FuncOp function) {
      return getFunctionKind(function) == FunctionKind::update;
    };
    return !isLate(a) && isLate(b);
  });
  for (func::FuncOp function : functions) {
    Block &block = function.getBody().front();
    for (BlockArgument argument : block.getArguments())
      variations[argument].value = true;
    visit(block, getFunctionKind(function));
  }
}

void Layout::visit(Block &block, std::optional<FunctionKind> kind) {
  for (Operation &op : block)
    visit(&op, kind);
}

Variation Layout::ofOperands(Operation *op) const {
  Variation all;
  op->walk([&](Operation *inner) {
    for (Value operand : inner->getOperands())
      all = all | get(operand);
  });
  return all;
}

Variation Layout::ofRead(ReadOp read, std::optional<FunctionKind> kind) const {
  // The statistics of a step are pending until they are agreed on.
  if (isa<fp8::ScaleStateType>(read.getValue().getType()))
    return {.value = true};
  auto variable = symbols.lookup<VariableOp>(read.getVariable());
  if (variable && variable.getRole() == Role::gradient_parts)
    return {.value = true};
  return {.value = variable && variable.getRole() == Role::gradient &&
                   (kind != FunctionKind::update ||
                    !summed.contains(read.getVariableAttr().getAttr()))};
}

void Layout::visit(Operation *op, std::optional<FunctionKind> kind) {
  if (auto fusion = dyn_cast<FusionOp>(op)) {
    Block &body = fusion.getBody().front();
    for (auto [argument, input] :
         llvm::zip(body.getArguments(), fusion.getInputs()))
      variations[argument] = get(input);
    visit(body, kind);
    auto yield = cast<YieldOp>(body.getTerminator());
    for (auto [result, value] :
         llvm::zip(fusion.getResults(), yield.getValues()))
      variations[result] = get(value);
    return;
  }
  for (Region &region : op->getRegions())
    for (Block &block : region) {
      for (BlockArgument argument : block.getArguments())
        variations[argument] = ofOperands(op);
      visit(block, kind);
    }
  if (auto assign = dyn_cast<AssignOp>(op)) {
    auto variable = symbols.lookup<VariableOp>(assign.getVariable());
    if (variable && variable.getRole() == Role::gradient &&
        completesGradients(kind, hasLastMicro) && !get(assign.getValue()).any())
      summed.insert(assign.getVariableAttr().getAttr());
    return;
  }
  auto give = [&](Variation variation) {
    for (Value result : op->getResults())
      variations[result] = variation;
  };
  llvm::TypeSwitch<Operation *>(op)
      .Case([&](ReadOp read) { give(ofRead(read, kind)); })
      .Case([&](HyperOp hyper) {
        give({.value = hyper.getSymbol() == kMicroBatchWeight});
      })
      .Case<AllReduceOp, fp8::AllReduceOp, AllGatherOp, fp8::AllGatherOp>(
          [&](auto) { give({}); })
      .Case<ReduceScatterOp, fp8::ReduceScatterOp, AllToAllOp, fp8::AllToAllOp>(
          [&](auto) { give({.value = true}); })
      .Case([&](fp8::AgreeOp agree) {
        for (auto [input, output] :
             llvm::zip(agree.getStatistics(), agree.getOutputs()))
          variations[output] = {.scale = get(input).scale};
      })
      .Case([&](fp8::CurrentScaleOp scale) {
        give({.value = get(scale.getState()).scale});
      })
      .Case([&](fp8::RecordOp record) {
        Variation stats = get(record.getStats());
        give(get(record.getState()) | Variation{.value = stats.value});
      })
      .Case([&](fp8::AdvanceOp advance) {
        Variation state = get(advance.getState());
        give({.value = state.value, .scale = state.any()});
      })
      .Case([&](fp8::QuantizeOp quantize) {
        bool scale = get(quantize.getScale()).any();
        bool value = get(quantize.getInput()).any() || scale;
        variations[quantize.getOutput()] = {value, scale};
        variations[quantize.getStats()] = {.value = value};
      })
      .Default([&](Operation *) {
        Variation inputs = ofOperands(op);
        for (Value result : op->getResults())
          variations[result] = isa<fp8::ScaledType>(result.getType())
                                   ? inputs
                                   : Variation{.value = inputs.any()};
      });
}

//===----------------------------------------------------------------------===//
// What must not be
//===----------------------------------------------------------------------===//

InFlightDiagnostic Layout::explain(InFlightDiagnostic error,
                                   Value value) const {
  while (Operation *op = value.getDefiningOp()) {
    auto from = llvm::find_if(
        op->getOperands(), [&](Value operand) { return get(operand).any(); });
    if (from == op->operand_end())
      break;
    value = *from;
  }
  Operation *op = value.getDefiningOp();
  Diagnostic &note = error.attachNote(value.getLoc());
  if (auto read = dyn_cast_or_null<ReadOp>(op);
      read && !isa<fp8::ScaleStateType>(read.getValue().getType()))
    note << "it comes from " << read.getVariableAttr()
         << ", which no collective has summed";
  else if (read)
    note << "it comes from the statistics in " << read.getVariableAttr()
         << ", which no fp8.agree has joined";
  else
    note << "it varies from here on";
  return error;
}

LogicalResult Layout::verify(AssignOp assign) const {
  auto variable = symbols.lookup<VariableOp>(assign.getVariable());
  if (!variable)
    return success();
  Variation variation = get(assign.getValue());
  std::optional<FunctionKind> kind =
      getFunctionKind(assign->getParentOfType<FunctionOpInterface>());
  if (variable.getRole() == Role::gradient) {
    if (kind == FunctionKind::micro && hasLastMicro && !variation.any())
      return assign.emitOpError("gives ")
             << assign.getVariableAttr()
             << " the sum of all processes in every micro-batch: they join "
                "once a step, in the function of kind micro_last";
    return success(); // @update tells whether it was summed
  }
  if (variable.getRole() == Role::gradient_parts)
    return success(); // nobody reads them but who sums them
  bool mayRecord = isa<fp8::ScaleStateType>(variable.getType());
  if (mayRecord ? !variation.scale : !variation.any())
    return success();
  return explain(assign.emitOpError("gives ")
                     << assign.getVariableAttr()
                     << ", which all processes keep alike, a value that varies "
                        "along '"
                     << kDataAxis << "'",
                 assign.getValue());
}

static bool sumsProcesses(Operation *op) {
  if (auto reduce = dyn_cast<AllReduceOp>(op))
    return reduce.getReduction() == Reduction::sum;
  if (auto scatter = dyn_cast<ReduceScatterOp>(op))
    return scatter.getReduction() == Reduction::sum;
  return isa<fp8::AllReduceOp, fp8::ReduceScatterOp>(op);
}

LogicalResult Layout::verify(Operation *op) const {
  if (auto assign = dyn_cast<AssignOp>(op))
    return verify(assign);
  if (auto clip = dyn_cast<ClipCoefficientOp>(op)) {
    for (Value operand : clip->getOperands())
      if (get(operand).any())
        return explain(clip.emitOpError("clips by a norm that varies along '")
                           << kDataAxis << "'",
                       operand);
    return success();
  }
  bool isSum = sumsProcesses(op);
  if (!isSum && !isa<fp8::AllGatherOp, fp8::AllToAllOp>(op))
    return success();
  for (Value operand : op->getOperands()) {
    if (get(operand).scale)
      return explain(op->emitOpError(isSum ? "sums" : "moves")
                         << " codes whose scale varies along '" << kDataAxis
                         << "'",
                     operand);
    if (isSum && !get(operand).value)
      return op->emitOpError("sums what all processes have alike along '")
             << kDataAxis << "': it would be multiplied by their number";
  }
  return success();
}

LogicalResult Layout::verify() const {
  LogicalResult result = success();
  for (func::FuncOp function : getFunctions(module))
    function.walk([&](Operation *op) {
      if (failed(verify(op)))
        result = failure();
    });
  return result;
}
