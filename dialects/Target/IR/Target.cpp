//===- Target.cpp - What a module is compiled for -------------------------===//

#include "Target/IR/Target.h"

using namespace mlir;
using namespace fp8c;

#include "Target/IR/TargetInterfaces.cpp.inc"

const TargetTraits &fp8c::getTarget(Operation *op) {
  static constexpr TargetTraits cpu;
  for (; op; op = op->getParentOp())
    if (auto target = op->getAttrOfType<TargetAttrInterface>(kTargetAttr))
      return target.getTraits();
  return cpu;
}
