//===- AppendLoss.cpp - train-append-loss ---------------------------------===//

#include "Train/IR/Train.h"
#include "Train/Transforms/BuildUtils.h"
#include "Train/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

namespace fp8c::train {
#define GEN_PASS_DEF_APPENDLOSS
#include "Train/Transforms/Passes.h.inc"
} // namespace fp8c::train

namespace {
struct AppendLoss : train::impl::AppendLossBase<AppendLoss> {
  using Base::Base;

  void runOnProgram() override {
    if (failed(makeEval()))
      signalPassFailure();
  }

  LogicalResult makeEval();
  FailureOr<unsigned> chooseOutput(func::FuncOp forward);
};
} // namespace

static bool isFloat(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && isa<FloatType>(tensor.getElementType());
}
/// A loss: one float, which some exporters give a dimension of size 1.
static bool isLoss(Type type) {
  return isFloat(type) && cast<RankedTensorType>(type).getRank() <= 1 &&
         cast<RankedTensorType>(type).getNumElements() == 1;
}
static bool isLogits(Type type) {
  return isFloat(type) && cast<RankedTensorType>(type).getRank() >= 2;
}

static bool isFit(Output output, Type type) {
  return output == Output::loss ? isLoss(type) : isLogits(type);
}

/// Which output of @forward is the loss or, failing that, the logits.
FailureOr<unsigned> AppendLoss::chooseOutput(func::FuncOp forward) {
  ArrayRef<Type> types = forward.getResultTypes();
  if (loss.empty()) {
    for (Output wanted : {Output::loss, Output::logits})
      for (unsigned i = 0, e = types.size(); i < e; ++i)
        if (getOutput(forward, i) == wanted && isFit(wanted, types[i]))
          return i;
    for (auto isWanted : {isLoss, isLogits})
      if (auto *it = llvm::find_if(types, isWanted); it != types.end())
        return it - types.begin();
    return forward.emitOpError(
        "returns neither a loss, a scalar float, nor logits of rank 2 or more");
  }
  SmallVector<StringRef> known;
  for (auto [i, type] : llvm::enumerate(types)) {
    auto name = forward.getResultAttrOfType<StringAttr>(i, kNameAttr);
    if (name && name.getValue() == loss) {
      if (isLoss(type) || isLogits(type))
        return i;
      return forward.emitOpError("output \"")
             << loss << "\" is no loss and no logits: " << type;
    }
    if (name)
      known.push_back(name.getValue());
  }
  InFlightDiagnostic diag = forward.emitOpError("has no output named \"")
                            << loss << "\"; its outputs are ";
  llvm::interleaveComma(known, diag,
                        [&](StringRef s) { diag << '"' << s << '"'; });
  return diag;
}

/// The loss as a scalar of type f32.
static Value toScalar(OpBuilder &builder, Value loss) {
  auto type = cast<RankedTensorType>(loss.getType());
  Location loc = loss.getLoc();
  if (type.getRank() == 1)
    loss = ReshapeOp::create(
        builder, loc, RankedTensorType::get({}, type.getElementType()), loss);
  if (!type.getElementType().isF32())
    loss = CastOp::create(
        builder, loc, RankedTensorType::get({}, builder.getF32Type()), loss);
  return loss;
}

/// Adds the argument `targets`: a label for each row of logits.
static Value addTargets(func::FuncOp eval, Value logits) {
  Builder builder(eval.getContext());
  ArrayRef<int64_t> rows =
      cast<ShapedType>(logits.getType()).getShape().drop_back();
  unsigned index = eval.getNumArguments();
  LogicalResult inserted = eval.insertArgument(
      index, RankedTensorType::get(rows, builder.getI64Type()),
      builder.getDictionaryAttr(
          builder.getNamedAttr(kNameAttr, builder.getStringAttr("targets"))),
      logits.getLoc());
  assert(succeeded(inserted) && "func.func takes more arguments");
  (void)inserted;
  auto labels = eval->getAttrOfType<InputAttr>(kLabelsAttr);
  setInput(eval, index, labels ? labels.getValue() : Input::labels_next);
  return eval.getArgument(index);
}

LogicalResult AppendLoss::makeEval() {
  ModuleOp module = getOperation();
  SymbolTable symbols(module);
  FailureOr<func::FuncOp> found = requireFunction(
      module, FunctionKind::forward, "mark the function of the model so");
  if (failed(found) || failed(verifyAbsent(module, FunctionKind::eval,
                                           "was a loss appended before?")))
    return failure();
  func::FuncOp forward = *found;
  FailureOr<unsigned> output = chooseOutput(forward);
  if (failed(output))
    return failure();

  func::FuncOp eval = forward.clone();
  setFunctionKind(eval, FunctionKind::eval);
  symbols.insert(eval, std::next(Block::iterator(forward)));
  Operation *terminator = eval.getBody().front().getTerminator();
  Value result = terminator->getOperand(*output);

  Annotator annotator;
  OpBuilder builder(terminator, &annotator);
  annotator.name = builder.getStringAttr("loss");
  annotator.phase = PhaseAttr::get(eval.getContext(), Phase::fwd);
  if (isLoss(result.getType()))
    result = toScalar(builder, result);
  else
    result = CrossEntropyOp::create(builder, result.getLoc(), result,
                                    addTargets(eval, result))
                 .getLoss();

  terminator->setOperands(result);
  eval.setFunctionType(builder.getFunctionType(eval.getArgumentTypes(),
                                               TypeRange(result.getType())));
  auto name = builder.getNamedAttr(kNameAttr, builder.getStringAttr("loss"));
  eval.setAllResultAttrs(ArrayRef(builder.getDictionaryAttr(name)));
  setOutput(eval, 0, Output::loss);
  eval->removeAttr(kLabelsAttr);
  eraseDeadOps(eval.getBody().front());
  return success();
}
