//===- ValueRoles.cpp - Weights, gradients and activations ----------------===//

#include "FP8/Transforms/ValueRoles.h"

#include "FP8/Transforms/Recipe.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::fp8;

ValueRoles::ValueRoles(ModuleOp module) {
  for (auto variable : module.getOps<train::VariableOp>())
    if (train::isModelParameter(variable.getRole()))
      parameters.insert(variable.getSymNameAttr());
}

/// Moves or rounds its operand: the same value in another place or type.
static bool isViewOfOperand(Operation *op) {
  if (isa<train::CastOp, DequantizeOp>(op))
    return true;
  auto precision = dyn_cast<train::PrecisionOpInterface>(op);
  return precision && op->getNumOperands() > 0 &&
         precision.getResultPrecision(0) == train::ResultPrecision::Inherited;
}

void ValueRoles::visit(Operation *op) {
  StringRef role = kActivation;
  if (auto read = dyn_cast<train::ReadOp>(op)) {
    if (parameters.contains(read.getVariableAttr().getAttr()))
      role = kWeight;
  } else if (isViewOfOperand(op)) {
    role = get(op->getOperand(0));
  } else if (train::isBackward(op)) {
    role = kGradient;
  }
  if (role != kActivation)
    for (Value result : op->getResults())
      roles[result] = role;
}

StringRef ValueRoles::get(Value value) const {
  auto it = roles.find(value);
  return it == roles.end() ? StringRef(kActivation) : it->second;
}

StringRef fp8::getGemm(Operation *contraction) {
  // Another compiler's ops have no phase: they are forward ops. So are those
  // that backward does anew: their results must be the same.
  train::Phase phase = train::getPhase(contraction).value_or(train::Phase::fwd);
  return train::stringifyPhase(
      phase == train::Phase::recompute ? train::Phase::fwd : phase);
}

StringRef fp8::getOperandSuffix(StringRef role, StringRef otherRole,
                                StringRef side) {
  if (role == otherRole)
    return side;
  return role == kWeight ? "w" : role == kGradient ? "dy" : "x";
}
