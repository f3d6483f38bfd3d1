//===- Gradients.cpp - What processes have to sum -------------------------===//

#include "Train/Transforms/Gradients.h"

#include "FP8/IR/Precision.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

/// What travels of an assigned value: it, or what it was before it was
/// converted to be stored. FP8 comes with fp8-lower-comm.
static Gradient getGradient(AssignOp assign, VariableOp variable) {
  Value value = assign.getValue();
  if (auto quantize = value.getDefiningOp<fp8::QuantizeOp>())
    value = quantize.getInput();
  auto given = variable->getAttrOfType<TypeAttr>(kWireAttr);
  Type wire = given && isWide(given.getValue()) ? given.getValue() : Type();
  if (auto cast = value.getDefiningOp<CastOp>())
    if (!wire || getElementTypeOrSelf(cast.getInput()) == wire)
      value = cast.getInput();
  return {assign, value,
          withElementType(value.getType(),
                          wire ? wire : getElementTypeOrSelf(value))};
}

SmallVector<Gradient> train::findGradients(func::FuncOp micro,
                                           const Layout &layout) {
  SymbolTable symbols(micro->getParentOfType<ModuleOp>());
  SmallVector<Gradient> gradients;
  for (auto assign : micro.getOps<AssignOp>()) {
    auto variable = symbols.lookup<VariableOp>(assign.getVariable());
    if (variable && variable.getRole() == Role::gradient &&
        layout.get(assign.getValue()).any())
      gradients.push_back(getGradient(assign, variable));
  }
  llvm::stable_sort(gradients, [](const Gradient &a, const Gradient &b) {
    Operation *first = a.value.getDefiningOp(),
              *second = b.value.getDefiningOp();
    return second && (!first || first->isBeforeInBlock(second));
  });
  return gradients;
}
