//===- SharedScales.cpp - FP8 variables of one scale ----------------------===//

#include "Conversion/TrainToExec/SharedScales.h"

#include <map>

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

/// The scale that a value was quantised with, seen from outside of fusions;
/// null if the value was not quantised here.
static Value getScale(Value value) {
  Operation *op = value.getDefiningOp();
  if (auto transpose = dyn_cast_or_null<fp8::TransposeOp>(op))
    return getScale(transpose.getInput());
  if (auto quantize = dyn_cast_or_null<fp8::QuantizeOp>(op))
    return quantize.getScale();
  if (auto fusion = dyn_cast_or_null<FusionOp>(op)) {
    auto yield = cast<train::YieldOp>(fusion.getBody().front().getTerminator());
    Value scale =
        getScale(yield.getValues()[cast<OpResult>(value).getResultNumber()]);
    auto argument = dyn_cast_or_null<BlockArgument>(scale);
    return argument ? fusion.getInputs()[argument.getArgNumber()] : Value();
  }
  return {};
}

DenseMap<StringAttr, StringAttr> fp8c::findSharedScales(ModuleOp module) {
  // The scales of each variable's assignments, in program order.
  llvm::MapVector<StringAttr, SmallVector<void *>> scales;
  module.walk([&](AssignOp assign) {
    if (isa<fp8::ScaledType>(assign.getValue().getType()))
      scales[assign.getVariableAttr().getAttr()].push_back(
          getScale(assign.getValue()).getAsOpaquePointer());
  });
  std::map<std::vector<void *>, SmallVector<StringAttr>> groups;
  for (auto &[variable, values] : scales)
    if (!llvm::is_contained(values, nullptr))
      groups[std::vector<void *>(values.begin(), values.end())].push_back(
          variable);
  DenseMap<StringAttr, StringAttr> shared;
  for (auto &[values, group] : groups) {
    // The first by name, so that w.e4m3 has it and w.e4m3t goes without.
    StringAttr owner =
        *llvm::min_element(group, [](StringAttr a, StringAttr b) {
          return a.getValue() < b.getValue();
        });
    for (StringAttr variable : group)
      if (variable != owner)
        shared[variable] = owner;
  }
  return shared;
}
