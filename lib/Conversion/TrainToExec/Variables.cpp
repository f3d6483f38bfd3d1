//===- Variables.cpp - Variables at their offsets -------------------------===//

#include "Conversion/TrainToExec/Variables.h"

#include "Conversion/TrainToExec/FunctionLowering.h"
#include "Conversion/TrainToExec/SharedScales.h"
#include "Conversion/TrainToExec/TileScales.h"
#include "FP8/IR/Precision.h"
#include "FP8/Training/ScaleSites.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

/// Variables that collectives write, those of one collective and type together
/// and in its order: neighbours are one tensor on the wire.
static SmallVector<VariableOp> findJoined(ModuleOp module) {
  SymbolTable symbols(module);
  SetVector<VariableOp> joined;
  module.walk([&](Operation *op) {
    if (!isa<AllReduceOp, fp8::AllReduceOp>(op))
      return;
    llvm::MapVector<Type, SmallVector<VariableOp>> byType;
    for (Value output : op->getResults())
      for (Operation *user : output.getUsers())
        if (auto assign = dyn_cast<AssignOp>(user))
          byType[getBufferType(output.getType()).getElementType()].push_back(
              symbols.lookup<VariableOp>(assign.getVariable()));
    for (auto &[type, variables] : byType)
      joined.insert(variables.begin(), variables.end());
  });
  return joined.takeVector();
}

Variables::Variables(ModuleOp module) : module(module) {
  if (auto lowered = module->getAttrOfType<IntegerAttr>(exec::kVariablesAttr))
    offset = lowered.getInt();
  DenseMap<StringAttr, StringAttr> shared = findSharedScales(module);
  auto lower = [&](VariableOp variable) {
    StringAttr name = variable.getSymNameAttr();
    exec::VariableOp &lowered = byName[name];
    if (!lowered)
      lowered =
          create(variable, name, getBufferType(variable.getType()),
                 variable.getRole(), variable.getInit(), variable.getOfAttr());
  };
  // Their scales come behind all of them.
  llvm::for_each(findJoined(module), lower);
  for (VariableOp variable :
       llvm::make_early_inc_range(module.getOps<VariableOp>())) {
    lower(variable);
    StringAttr name = variable.getSymNameAttr();
    auto scaled = dyn_cast<fp8::ScaledType>(variable.getType());
    // The first scale comes from the first values: of the variable, or of the
    // parameter that a compute weight copies.
    bool isCopy = variable.getRole() == Role::compute_weight;
    if (scaled && (!scaled.isPerTensor() || !shared.contains(name)))
      scales[name] = create(
          variable, getScaleName(scaled, name), getScaleBuffer(scaled),
          scaled.isPerTensor() ? Role::scale : variable.getRole(),
          ConstantInitAttr::get(module.getContext(), 1.0),
          isCopy || !scaled.isPerTensor() ? variable.getOfAttr()
                                          : FlatSymbolRefAttr::get(name));
    variable.erase();
  }
  for (auto [variable, owner] : shared)
    scales[variable] = scales.lookup(owner);
  for (auto [variable, scale] : scales)
    byName.lookup(variable).setScaleAttr(
        FlatSymbolRefAttr::get(scale.getSymNameAttr()));
  module->setAttr(exec::kVariablesAttr,
                  Builder(module.getContext()).getI64IntegerAttr(offset));
}

exec::VariableOp Variables::create(VariableOp variable, StringRef name,
                                   MemRefType type, Role role, Attribute init,
                                   FlatSymbolRefAttr of) {
  OpBuilder builder(variable);
  auto lowered = exec::VariableOp::create(builder, variable.getLoc(), name,
                                          type, offset, role, init, of,
                                          /*scale=*/FlatSymbolRefAttr());
  for (StringRef key : {kWhyAttr, kFileNameAttr, kTransposedAttr})
    if (Attribute kept = variable->getDiscardableAttr(key);
        kept && role == variable.getRole())
      lowered->setDiscardableAttr(key, kept);
  if (auto state = dyn_cast<fp8::ScaleStateType>(variable.getType())) {
    lowered->setDiscardableAttr(fp8::kFormatAttr,
                                TypeAttr::get(state.getStorage()));
    if (Attribute counted = variable->getDiscardableAttr(fp8::kCountedAttr))
      lowered->setDiscardableAttr(fp8::kCountedAttr, counted);
  }
  offset += llvm::alignTo(exec::getByteSize(type), exec::kAlignment);
  return lowered;
}
