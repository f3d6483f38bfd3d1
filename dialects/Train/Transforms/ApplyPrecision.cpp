//===- ApplyPrecision.cpp - train-apply-precision -------------------------===//
//
// Train ops take operands of any float type, so a value's precision changes by
// changing its type. A cast is needed in three places: before a contraction,
// whose operands meet the hardware as they are; before ops that know nothing of
// precision, a return among them; and before an assignment.
//
//===----------------------------------------------------------------------===//

#include "FP8/IR/Precision.h"
#include "Train/IR/Train.h"
#include "Train/Transforms/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

namespace fp8c::train {
#define GEN_PASS_DEF_APPLYPRECISION
#include "Train/Transforms/Passes.h.inc"
} // namespace fp8c::train

namespace {

class Applier {
public:
  explicit Applier(ModuleOp module) : module(module) {}
  void run();

private:
  void apply(Operation *op);
  void applyToResults(PrecisionOpInterface op);
  void castOperand(OpOperand &operand, Type type);
  void castToOne(Operation *op);
  void setElementType(Value value, Type element);

  ModuleOp module;
  DenseMap<StringAttr, VariableOp> variables;
  /// Types before this pass, of the values whose type has changed.
  DenseMap<Value, Type> original;
  /// One cast per value and type serves all users.
  DenseMap<std::pair<Value, Type>, Value> casts;
};

} // namespace

void Applier::setElementType(Value value, Type element) {
  Type type = withElementType(value.getType(), element);
  if (type == value.getType())
    return;
  original.try_emplace(value, value.getType());
  value.setType(cast<RankedTensorType>(type));
}

/// A constant in another type; null if `value` is none. Zeros that clear a
/// gradient should not need a cast.
static Value castConstant(OpBuilder &builder, Value value, Type type) {
  DenseElementsAttr elements;
  if (!matchPattern(value, m_Constant(&elements)) || !elements.isSplat())
    return {};
  auto tensor = cast<RankedTensorType>(type);
  APFloat number = elements.getSplatValue<APFloat>();
  bool losesInfo;
  number.convert(cast<FloatType>(tensor.getElementType()).getFloatSemantics(),
                 APFloat::rmNearestTiesToEven, &losesInfo);
  return arith::ConstantOp::create(builder, value.getLoc(),
                                   DenseElementsAttr::get(tensor, number));
}

void Applier::castOperand(OpOperand &operand, Type type) {
  Value value = operand.get();
  if (value.getType() == type)
    return;
  Value &cast = casts[{value, type}];
  if (!cast) {
    OpBuilder builder(module.getContext());
    builder.setInsertionPointAfterValue(value);
    cast = castConstant(builder, value, type);
    if (!cast) {
      cast = createFor<CastOp>(builder, operand.getOwner(), type, value);
    }
  }
  operand.set(cast);
}

void Applier::applyToResults(PrecisionOpInterface op) {
  PrecisionAttr precision = getPrecision(op);
  for (OpResult result : op->getResults()) {
    unsigned i = result.getResultNumber();
    Type element = getElementTypeOrSelf(result.getType());
    if (!isWide(element))
      continue;
    switch (op.getResultPrecision(i)) {
    case ResultPrecision::Fixed:
      break;
    case ResultPrecision::Inherited:
      // What comes from operands of several types is as wide as the widest.
      element = getElementTypeOrSelf(op->getOperand(0).getType());
      for (Value other : op->getOperands())
        if (isFloat(other) &&
            getElementTypeOrSelf(other).getIntOrFloatBitWidth() >
                element.getIntOrFloatBitWidth())
          element = getElementTypeOrSelf(other);
      break;
    case ResultPrecision::Chosen:
      if (Type chosen = precision ? precision.getResult(i) : Type())
        element = chosen;
      break;
    }
    setElementType(result, element);
  }
}

/// Queries, keys and values are of one type, that of the result; statistics and
/// biases stay in f32.
void Applier::castToOne(Operation *op) {
  Type element = getElementTypeOrSelf(op->getResult(0));
  unsigned count = isa<AttentionVJPOp>(op) ? 5 : 3;
  for (OpOperand &operand : op->getOpOperands()) {
    Type type = operand.get().getType();
    if (operand.getOperandNumber() < count)
      castOperand(operand, withElementType(type, element));
    else if (isFloat(operand.get()))
      castOperand(operand,
                  withElementType(type, Float32Type::get(op->getContext())));
  }
}

void Applier::apply(Operation *op) {
  if (auto read = dyn_cast<ReadOp>(op)) {
    if (VariableOp variable =
            variables.lookup(read.getVariableAttr().getAttr()))
      if (read.getValue().getType() != variable.getType())
        setElementType(read.getValue(),
                       getElementTypeOrSelf(variable.getType()));
    return;
  }
  if (auto assign = dyn_cast<AssignOp>(op)) {
    if (VariableOp variable =
            variables.lookup(assign.getVariableAttr().getAttr()))
      castOperand(assign.getValueMutable(), variable.getType());
    return;
  }
  auto precise = dyn_cast<PrecisionOpInterface>(op);
  fp8::FP8ContractionOpInterface contraction = fp8::getContraction(op);
  if (precise && contraction) {
    PrecisionAttr precision = getPrecision(op);
    auto castTo = [&](OpOperand &operand, fp8::OperandAttr decided) {
      FloatType format = getFormat(decided);
      if (isWide(format)) // FP8 is the business of fp8-insert-scaling
        castOperand(operand, withElementType(operand.get().getType(), format));
    };
    if (precision) {
      castTo(contraction.getContractionLhs(), precision.getLhs());
      castTo(contraction.getContractionRhs(), precision.getRhs());
    }
  }
  if (precise) {
    applyToResults(precise);
    if (isa<AttentionOp, AttentionVJPOp>(op))
      castToOne(op);
    // The types say it all now, except why a contraction is as it is.
    if (!contraction)
      op->removeDiscardableAttr(kPrecisionAttr);
    return;
  }
  // An FP8 operand is quantised from whatever type it has.
  if (contraction && getPrecision(op) && getPrecision(op).isFP8())
    return;
  for (OpOperand &operand : op->getOpOperands())
    if (auto it = original.find(operand.get()); it != original.end())
      castOperand(operand, it->second);
}

void Applier::run() {
  for (auto variable : module.getOps<VariableOp>()) {
    variables[variable.getSymNameAttr()] = variable;
    PrecisionAttr precision = getPrecision(variable);
    StorageAttr storage = precision ? precision.getStorage() : StorageAttr();
    // Scaled storage is the business of fp8-lower-states.
    if (storage && storage.getScaled())
      continue;
    if (storage)
      variable.setType(
          withElementType(variable.getType(), storage.getFormat()));
    keepReason(variable, precision);
  }
  // Definitions come before uses, so that operands have their final types.
  module.walk<WalkOrder::PreOrder>([&](Operation *op) { apply(op); });
}

namespace {
struct ApplyPrecision : train::impl::ApplyPrecisionBase<ApplyPrecision> {
  using Base::Base;
  void runOnProgram() override { Applier(getOperation()).run(); }
};
} // namespace
