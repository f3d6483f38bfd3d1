//===- LoweringTable.cpp - Conversions by op ------------------------------===//

#include "Conversion/TrainToExec/LoweringTable.h"

using namespace mlir;
using namespace fp8c;

LogicalResult fp8c::emitNoLowering(Operation *op) {
  return op->emitOpError("has no lowering to exec; run train-form-fusions "
                         "before convert-to-exec");
}

LoweringTable::LoweringTable() {
  addCollectiveLowerings(*this);
  addFusionLowerings(*this);
  addLossLowerings(*this);
  addNetworkLowerings(*this);
  addProductLowerings(*this);
  addScaleLowerings(*this);
  addShapeLowerings(*this);
  addStateLowerings(*this);
}

LogicalResult LoweringTable::lower(Operation *op,
                                   FunctionLowering &function) const {
  auto conversion = conversions.find(op->getName().getTypeID());
  if (conversion == conversions.end())
    return emitNoLowering(op);
  return conversion->second(op, function);
}
