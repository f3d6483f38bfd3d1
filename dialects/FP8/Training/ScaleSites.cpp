//===- ScaleSites.cpp - Variables of scale states
//---------------------------===//

#include "FP8/Training/ScaleSites.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::fp8;

VariableSite *ScaleSites::getOrCreate(StringRef name, OperandAttr operand) {
  MLIRContext *context = module.getContext();
  auto [it, isNew] = sites.try_emplace(StringAttr::get(context, name));
  if (!isNew)
    return it->second->operand == operand ? it->second.get() : nullptr;
  if (!lastVariable)
    for (auto variable : module.getOps<train::VariableOp>())
      lastVariable = variable;
  OpBuilder builder = OpBuilder::atBlockBegin(module.getBody());
  if (lastVariable)
    builder.setInsertionPointAfter(lastVariable);
  // Scale and inverse scale start as 1, so that a program without calibration
  // is sound.
  auto variable = train::VariableOp::create(
      builder, module.getLoc(), builder.getStringAttr(name + ".scale"),
      TypeAttr::get(ScaleStateType::get(context, operand.getFormat(),
                                        operand.getWindow())),
      train::RoleAttr::get(context, train::Role::scale),
      train::ConstantInitAttr::get(context, 1.0), FlatSymbolRefAttr());
  symbols.insert(variable);
  lastVariable = variable;
  it->second.reset(new VariableSite{{it->first, operand}, variable});
  return it->second.get();
}

VariableSite *ScaleSites::lookup(StringRef name, OperandAttr operand) const {
  auto it = sites.find(StringAttr::get(symbols.getOp()->getContext(), name));
  return it != sites.end() && it->second->operand == operand ? it->second.get()
                                                             : nullptr;
}
