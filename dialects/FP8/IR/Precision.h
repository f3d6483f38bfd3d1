//===- Precision.h - The `fp8.precision` attribute -----------*- C++ -*-===//
//
// What fp8-assign-precision decides about an op, a #fp8.precision on the op.
// train-apply-precision carries out `result`, `storage` and wide operands,
// fp8-insert-scaling the FP8 operands, fp8-lower-states scaled storage.
//
//===----------------------------------------------------------------------===//

#ifndef FP8_IR_PRECISION_H
#define FP8_IR_PRECISION_H

#include "FP8/IR/OpNames.h"

namespace fp8c::fp8 {

constexpr llvm::StringLiteral kPrecisionAttr = "fp8.precision",
                              kWhyAttr = "fp8.why";

/// The decision on an op; null if there is none.
inline PrecisionAttr getPrecision(mlir::Operation *op) {
  return op->getAttrOfType<PrecisionAttr>(kPrecisionAttr);
}

/// Checks a decision on `op`: fields that somebody reads, and that fit the op.
/// What is wrong is an error at the op.
mlir::LogicalResult verifyPrecision(mlir::Operation *op,
                                    PrecisionAttr precision);

/// The format of an operand; null if nothing is decided about it.
inline mlir::FloatType getFormat(OperandAttr operand) {
  return operand ? operand.getFormat() : mlir::FloatType();
}

/// Once a decision is carried out, only its reason remains, as `fp8.why`.
inline void keepReason(mlir::Operation *op, PrecisionAttr precision) {
  op->removeDiscardableAttr(kPrecisionAttr);
  if (precision && precision.getWhy())
    op->setDiscardableAttr(kWhyAttr, precision.getWhy());
}

} // namespace fp8c::fp8

#endif // FP8_IR_PRECISION_H
