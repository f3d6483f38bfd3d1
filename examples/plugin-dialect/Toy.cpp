//===- Toy.cpp - A dialect that knows FP8 by one interface ----------------===//

#include "Toy.h"
#include "mlir/IR/OpImplementation.h"

using namespace mlir;
using namespace toy;

#include "ToyDialect.cpp.inc"
#define GET_OP_CLASSES
#include "Toy.cpp.inc"

void ToyDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "Toy.cpp.inc"
      >();
}

// All that fp8c is told: what is multiplied, over which dimensions, and what is
// done with the sum.

OpOperand &LinearOp::getContractionLhs() { return getXMutable(); }
OpOperand &LinearOp::getContractionRhs() { return getWMutable(); }
llvm::SmallVector<int64_t> LinearOp::getLhsContractingDims() {
  return {cast<RankedTensorType>(getX().getType()).getRank() - 1};
}
llvm::SmallVector<int64_t> LinearOp::getRhsContractingDims() { return {0}; }
OpOperand *LinearOp::getContractionInit() {
  return getResidual() ? &getOperation()->getOpOperand(2) : nullptr;
}
Value LinearOp::buildSum(OpBuilder &builder, Value product) {
  if (!getResidual())
    return product;
  return AddOp::create(builder, getLoc(), product.getType(), getResidual(),
                       product);
}
