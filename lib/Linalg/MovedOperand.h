//===- MovedOperand.h - Ops that move or round one operand -----*- C++ -*-===//

#ifndef LINALG_MOVEDOPERAND_H
#define LINALG_MOVEDOPERAND_H

#include "FP8/IR/FP8.h"

namespace fp8c {

/// A weight that was moved is still one.
template <typename Op>
struct MovedOperandModel
    : fp8::ValueRoleOpInterface::ExternalModel<MovedOperandModel<Op>, Op> {
  mlir::OpOperand *getMovedOperand(mlir::Operation *op, unsigned) const {
    return &op->getOpOperand(0);
  }
};

/// For ops whose result is their first operand, elsewhere or in another type.
template <typename... Ops> void attachMovedOperand(mlir::MLIRContext *context) {
  (Ops::template attachInterface<MovedOperandModel<Ops>>(*context), ...);
}

} // namespace fp8c

#endif // LINALG_MOVEDOPERAND_H
