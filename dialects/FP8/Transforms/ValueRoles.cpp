//===- ValueRoles.cpp - Weights, gradients and activations ----------------===//

#include "FP8/Transforms/ValueRoles.h"

#include "FP8/Transforms/Recipe.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Interfaces/LoopLikeInterface.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::fp8;

/// The operand that a result is, moved or rounded; null if there is none.
static Value getMoved(OpResult result) {
  Operation *op = result.getOwner();
  if (auto says = dyn_cast<ValueRoleOpInterface>(op))
    if (OpOperand *moved = says.getMovedOperand(result.getResultNumber()))
      return moved->get();
  if (auto loop = dyn_cast<LoopLikeOpInterface>(op)) {
    OpOperand *init = loop.getTiedLoopInit(result);
    return init ? init->get() : Value();
  }
  auto precision = dyn_cast<PrecisionOpInterface>(op);
  bool isMove = precision && op->getNumOperands() > 0 &&
                precision.getResultPrecision(0) == ResultPrecision::Inherited;
  return isMove ? op->getOperand(0) : Value();
}

void ValueRoles::visit(Operation *op) {
  for (OpResult result : op->getOpResults()) {
    StringRef role;
    if (auto says = dyn_cast<ValueRoleOpInterface>(op))
      role = says.getValueRole(result.getResultNumber());
    if (role.empty()) {
      Value moved = getMoved(result);
      role = moved            ? get(moved)
             : isBackward(op) ? StringRef(kGradient)
                              : StringRef(kActivation);
    }
    if (role != kActivation)
      roles[result] = role;
  }
}

StringRef ValueRoles::get(Value value) const {
  if (auto it = roles.find(value); it != roles.end())
    return it->second;
  auto argument = dyn_cast<BlockArgument>(value);
  if (!argument)
    return kActivation;
  Operation *parent = argument.getOwner()->getParentOp();
  if (auto loop = dyn_cast_or_null<LoopLikeOpInterface>(parent))
    if (OpOperand *init = loop.getTiedLoopInit(argument))
      return get(init->get());
  auto function = dyn_cast_or_null<FunctionOpInterface>(parent);
  if (!function || !argument.getOwner()->isEntryBlock())
    return kActivation;
  auto role = function.getArgAttrOfType<StringAttr>(argument.getArgNumber(),
                                                    kOperandRoleAttr);
  for (StringRef word : {kWeight, kGradient})
    if (role && role.getValue() == word)
      return word;
  return kActivation;
}

StringRef fp8::getGemm(Operation *contraction) {
  // Another compiler's ops have no phase: they are forward ops. So are those
  // that backward does anew: their results must be the same.
  Phase phase = getPhase(contraction).value_or(Phase::fwd);
  return stringifyPhase(phase == Phase::recompute ? Phase::fwd : phase);
}

StringRef fp8::getOperandSuffix(StringRef role, StringRef otherRole,
                                StringRef side) {
  if (role == otherRole)
    return side;
  return role == kWeight ? "w" : role == kGradient ? "dy" : "x";
}
