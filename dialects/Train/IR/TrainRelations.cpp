//===- TrainRelations.cpp - What belongs together in an update ------------===//
//
// Types do not tell one parameter's gradient from another's, nor the scale of
// one variable from that of the next. Where it can be seen which variables
// values come from, they are held against the variable that they are for: a
// program that mixes them up trains, and learns something else.
//
//===----------------------------------------------------------------------===//

#include "Train/IR/TrainRelations.h"

#include "Train/IR/Functions.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

// Verifiers run before dominance is checked, and look at ops that were not
// verified yet: values may depend on themselves, fusions may lack a yield.

/// No chain that is followed here is as long.
static constexpr int kLongestChain = 32;

/// The value outside of the fusion that an argument stands for, or inside of
/// the one that a result comes from.
static Value throughFusion(Value value) {
  for (int i = 0; i < kLongestChain; ++i) {
    if (auto argument = dyn_cast<BlockArgument>(value)) {
      auto fusion = dyn_cast<FusionOp>(argument.getOwner()->getParentOp());
      if (!fusion || argument.getArgNumber() >= fusion.getInputs().size())
        break;
      value = fusion.getInputs()[argument.getArgNumber()];
      continue;
    }
    auto fusion = value.getDefiningOp<FusionOp>();
    if (!fusion || !fusion.getBody().hasOneBlock() ||
        fusion.getBody().front().empty())
      break;
    auto yield = dyn_cast<YieldOp>(fusion.getBody().front().back());
    unsigned result = cast<OpResult>(value).getResultNumber();
    if (!yield || result >= yield.getValues().size())
      break;
    value = yield.getValues()[result];
  }
  return value;
}

template <typename Op> static Op getOp(Value value) {
  return throughFusion(value).getDefiningOp<Op>();
}

/// The value that `value` is, in another type or form.
static Value getSource(Value value) {
  for (int i = 0; i < kLongestChain; ++i) {
    value = throughFusion(value);
    Operation *op = value.getDefiningOp();
    // The square root of a moment is stored, and squared again.
    auto square = dyn_cast_or_null<MulOp>(op);
    bool isForm =
        isa_and_nonnull<CastOp, SqrtOp, TransposeOp, fp8::DequantizeOp,
                        fp8::TransposeOp, fp8::QuantizeTilesOp>(op) ||
        (square && square.getLhs() == square.getRhs()) ||
        (isa_and_nonnull<fp8::QuantizeOp>(op) &&
         isa<fp8::ScaledType>(value.getType()));
    bool isJoined =
        isa_and_nonnull<AllReduceOp, fp8::AllReduceOp, AllGatherOp,
                        fp8::AllGatherOp, ReduceScatterOp, fp8::ReduceScatterOp,
                        AllToAllOp, fp8::AllToAllOp>(op);
    if (!isForm && !isJoined)
      break;
    value =
        op->getOperand(isJoined ? cast<OpResult>(value).getResultNumber() : 0);
  }
  return value;
}

/// The variable that a value was read from; null if it was computed.
static FlatSymbolRefAttr getReadFrom(Value value) {
  auto read = getSource(value).getDefiningOp<ReadOp>();
  return read ? read.getVariableAttr() : FlatSymbolRefAttr();
}

/// The quantisation that made a value, or of which it is a transpose.
static fp8::QuantizeOp getQuantize(Value value) {
  value = throughFusion(value);
  for (int i = 0; i < kLongestChain; ++i) {
    auto transpose = value.getDefiningOp<fp8::TransposeOp>();
    if (!transpose)
      break;
    value = throughFusion(transpose.getInput());
  }
  return value.getDefiningOp<fp8::QuantizeOp>();
}

/// A scale that train.update_scales made: for which of its variables.
struct UpdateScale {
  UpdateScalesOp op;
  size_t place;
};
static std::optional<UpdateScale> getUpdateScale(Value scale) {
  scale = throughFusion(scale);
  auto op = scale.getDefiningOp<UpdateScalesOp>();
  if (!op)
    return std::nullopt;
  for (auto [place, result] : llvm::enumerate(op.getScales()))
    if (result == scale && place < op.getVariables().size() &&
        place < op.getAmaxes().size())
      return UpdateScale{op, place};
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Reads
//===----------------------------------------------------------------------===//

LogicalResult train::verifyRelations(ReadOp read, VariableOp variable) {
  Role role = variable.getRole();
  if (role != Role::gradient && role != Role::moment1 && role != Role::moment2)
    return success();
  Operation *function = read->getParentOfType<FunctionOpInterface>();
  std::optional<FunctionKind> kind = getFunctionKind(function);
  if (!kind || *kind == FunctionKind::update || *kind == FunctionKind::init)
    return success();
  // The others start as copies of the first.
  bool isMicro =
      *kind == FunctionKind::micro || *kind == FunctionKind::micro_last ||
      *kind == FunctionKind::observe || *kind == FunctionKind::calibrate;
  if (!isMicro || role != Role::gradient)
    return read.emitOpError("reads ")
           << read.getVariableAttr() << ", a " << stringifyRole(role)
           << ", in a function of kind " << stringifyFunctionKind(*kind);
  // Nobody clears a gradient between steps.
  if (!read.getAccumulated())
    return read.emitOpError("reads what ")
           << read.getVariableAttr()
           << " holds from the step before: the sum of this one is read "
              "'accumulated'";
  return success();
}

//===----------------------------------------------------------------------===//
// Hyperparameters
//===----------------------------------------------------------------------===//

LogicalResult train::verifyHyper(Operation *op, Value value, StringRef symbol) {
  if (auto hyper = getOp<HyperOp>(value); hyper && hyper.getSymbol() != symbol)
    return op->emitOpError("takes the hyperparameter \"")
           << hyper.getSymbol() << "\" for its " << symbol;
  if (getOp<ClipCoefficientOp>(value) && symbol != kCoefficient)
    return op->emitOpError("takes what train.clip_coefficient gives for its ")
           << symbol;
  return success();
}

LogicalResult train::verifyRelations(AdamWOp op) {
  for (auto [value, name] :
       {std::pair(op.getCoefficient(), StringRef(kCoefficient)),
        {op.getLr(), "lr"},
        {op.getBeta1(), "beta1"},
        {op.getBeta2(), "beta2"},
        {op.getEps(), "eps"},
        {op.getWeightDecay(), "weight_decay"},
        {op.getStep(), "step"}})
    if (failed(verifyHyper(op, value, name)))
      return failure();
  return success();
}

//===----------------------------------------------------------------------===//
// Assignments
//===----------------------------------------------------------------------===//

/// What an update reads, and what of it is assigned here.
static LogicalResult verifyUpdate(AssignOp assign, VariableOp variable,
                                  AdamWOp update, unsigned result,
                                  SymbolTableCollection &symbols) {
  FlatSymbolRefAttr parameter = getReadFrom(update.getParameter());
  Value before[] = {update.getParameter(), update.getMoment1(),
                    update.getMoment2()};
  FlatSymbolRefAttr from = getReadFrom(before[result]);
  bool isCopy = result == 0 && variable.getRole() == Role::compute_weight &&
                variable.getOfAttr() == from;
  if (from && from != assign.getVariableAttr() && !isCopy)
    return assign.emitOpError("gives ")
           << assign.getVariableAttr() << " what train.adamw makes of " << from;
  if (!parameter)
    return success();
  for (auto [value, role] : {std::pair(update.getGradient(), Role::gradient),
                             {update.getMoment1(), Role::moment1},
                             {update.getMoment2(), Role::moment2}}) {
    FlatSymbolRefAttr name = getReadFrom(value);
    auto other = name ? symbols.lookupNearestSymbolFrom<VariableOp>(
                            assign.getOperation(), name)
                      : VariableOp();
    if (other && (other.getRole() != role ||
                  (other.getOfAttr() && other.getOfAttr() != parameter)))
      return update.emitOpError("updates ")
             << parameter << " with " << name << ", which is not its "
             << stringifyRole(role);
  }
  return success();
}

/// A state is assigned where it was read, with statistics of what its scale
/// quantised.
static LogicalResult verifyState(AssignOp assign) {
  Value state = assign.getValue();
  for (int i = 0; i < kLongestChain; ++i) {
    if (auto read = state.getDefiningOp<ReadOp>()) {
      if (read.getVariableAttr() == assign.getVariableAttr())
        return success();
      return assign.emitOpError("gives ")
             << assign.getVariableAttr() << " the history of "
             << read.getVariableAttr();
    }
    if (auto advance = state.getDefiningOp<fp8::AdvanceOp>()) {
      state = advance.getState();
      continue;
    }
    if (auto agree = state.getDefiningOp<fp8::AgreeOp>()) {
      state = agree.getStatistics()[cast<OpResult>(state).getResultNumber()];
      continue;
    }
    auto record = state.getDefiningOp<fp8::RecordOp>();
    if (!record)
      break;
    auto quantize = getOp<fp8::QuantizeOp>(record.getStats());
    auto scale = quantize ? getOp<fp8::CurrentScaleOp>(quantize.getScale())
                          : fp8::CurrentScaleOp();
    auto read = scale ? scale.getState().getDefiningOp<ReadOp>() : ReadOp();
    if (read && read.getVariableAttr() != assign.getVariableAttr())
      return record.emitOpError("records for ")
             << assign.getVariableAttr() << " what the scale of "
             << read.getVariableAttr() << " quantised";
    state = record.getState();
  }
  return success();
}

/// A scale that was made for a variable, or is stored beside it, quantises
/// what that variable is given, or another copy of the same weight.
static LogicalResult verifyScale(AssignOp assign, VariableOp variable,
                                 SymbolTableCollection &symbols) {
  fp8::QuantizeOp quantize = getQuantize(assign.getValue());
  if (!quantize)
    return success();
  FlatSymbolRefAttr of;
  if (auto scale = getUpdateScale(quantize.getScale()))
    of = cast<FlatSymbolRefAttr>(scale->op.getVariables()[scale->place]);
  else if (auto stored = getOp<StoredScaleOp>(quantize.getScale()))
    of = stored.getVariableAttr();
  if (!of || of == assign.getVariableAttr())
    return success();
  auto other =
      symbols.lookupNearestSymbolFrom<VariableOp>(assign.getOperation(), of);
  if (other && other.getRole() == Role::compute_weight &&
      variable.getRole() == Role::compute_weight &&
      other.getOfAttr() == variable.getOfAttr())
    return success();
  return assign.emitOpError("gives ")
         << assign.getVariableAttr() << " codes by the scale of " << of;
}

/// Statistics of a write are assigned where its next scale reads them.
static LogicalResult verifyStatistics(AssignOp assign) {
  auto quantize = getOp<fp8::QuantizeOp>(assign.getValue());
  auto scale = quantize ? getUpdateScale(quantize.getScale()) : std::nullopt;
  auto read = scale
                  ? scale->op.getAmaxes()[scale->place].getDefiningOp<ReadOp>()
                  : ReadOp();
  if (!read || read.getVariableAttr() == assign.getVariableAttr())
    return success();
  return assign.emitOpError("gives ")
         << assign.getVariableAttr() << " the statistics that belong to "
         << read.getVariableAttr();
}

/// A sum over micro-batches goes on where it was.
static LogicalResult verifySum(AssignOp assign) {
  Value sum = getSource(assign.getValue());
  for (int i = 0; i < kLongestChain; ++i) {
    auto add = sum.getDefiningOp<AddOp>();
    if (!add)
      break;
    sum = getSource(add.getLhs());
  }
  auto read = sum.getDefiningOp<ReadOp>();
  if (!read || !read.getAccumulated() ||
      read.getVariableAttr() == assign.getVariableAttr())
    return success();
  return assign.emitOpError("gives ")
         << assign.getVariableAttr() << " the sum of "
         << read.getVariableAttr();
}

LogicalResult train::verifyRelations(AssignOp assign, VariableOp variable,
                                     SymbolTableCollection &symbols) {
  if (isa<fp8::ScaleStateType>(variable.getType()))
    return verifyState(assign);
  if (isa<fp8::StatsType>(variable.getType()))
    return verifyStatistics(assign);
  if (failed(verifySum(assign)) ||
      failed(verifyScale(assign, variable, symbols)))
    return failure();
  Value source = getSource(assign.getValue());
  auto update = source.getDefiningOp<AdamWOp>();
  if (!update || source == update.getClamps())
    return success();
  return verifyUpdate(assign, variable, update,
                      cast<OpResult>(source).getResultNumber(), symbols);
}

//===----------------------------------------------------------------------===//
// Bounds
//===----------------------------------------------------------------------===//

LogicalResult train::verifyRelations(UpdateScalesOp op,
                                     SymbolTableCollection &symbols) {
  auto lookup = [&](FlatSymbolRefAttr name) {
    return name ? symbols.lookupNearestSymbolFrom<VariableOp>(op.getOperation(),
                                                              name)
                : VariableOp();
  };
  for (auto [name, amax, gradient] :
       llvm::zip(op.getVariables(), op.getAmaxes(), op.getGradients())) {
    auto symbol = cast<FlatSymbolRefAttr>(name);
    FlatSymbolRefAttr parameter = lookup(symbol).getOfAttr();
    if (!parameter)
      parameter = symbol;
    VariableOp statistics = lookup(getReadFrom(amax));
    // The runtime takes the first amax of a compute weight from its parameter.
    if (statistics && statistics.getOfAttr() &&
        statistics.getOfAttr() != symbol &&
        !(lookup(symbol).getRole() == Role::compute_weight &&
          statistics.getOfAttr() == parameter))
      return op.emitOpError("bounds ")
             << symbol << " by the statistics of " << statistics.getOfAttr();
    FlatSymbolRefAttr from = getReadFrom(gradient);
    VariableOp of = lookup(from);
    if (of && of.getRole() == Role::gradient && of.getOfAttr() != parameter)
      return op.emitOpError("bounds ")
             << symbol << " by " << from << ", which is not its gradient";
  }
  return success();
}

LogicalResult train::verifyOwner(VariableOp variable, VariableOp owner) {
  bool isTrained = llvm::is_contained(
      {Role::gradient, Role::moment1, Role::moment2}, variable.getRole());
  bool fits = isTrained ? owner.getRole() == Role::parameter &&
                              fp8::getShape(owner.getType()) ==
                                  fp8::getShape(variable.getType())
              : variable.getRole() == Role::compute_weight
                  ? isModelParameter(owner.getRole())
                  : owner.getRole() != Role::scale;
  if (fits)
    return success();
  return variable.emitOpError("is a ")
         << stringifyRole(variable.getRole()) << " of " << variable.getOfAttr()
         << ", which is a " << stringifyRole(owner.getRole()) << ", "
         << owner.getType();
}
