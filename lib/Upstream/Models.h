//===- Models.h - One file a dialect --------------------------*- C++ -*-===//

#ifndef UPSTREAM_MODELS_H
#define UPSTREAM_MODELS_H

#include "FP8/IR/FP8.h"
#include "mlir/IR/DialectRegistry.h"

namespace fp8c::upstream {

void registerLinalgModels(mlir::DialectRegistry &registry);
void registerTosaModels(mlir::DialectRegistry &registry);

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

} // namespace fp8c::upstream

#endif // UPSTREAM_MODELS_H
