//===- LoweringTable.cpp - Conversions by op ------------------------------===//

#include "Conversion/TrainToExec/LoweringTable.h"

using namespace mlir;
using namespace fp8c;

LoweringTable::LoweringTable() {
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
    return op->emitOpError("has no lowering to exec; run train-form-fusions "
                           "before convert-to-exec");
  return conversion->second(op, function);
}
