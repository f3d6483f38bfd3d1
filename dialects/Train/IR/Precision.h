//===- Precision.h - The `train.precision` attribute -----------*- C++ -*-===//
//
// What fp8-assign-precision decides about an op, written on the op:
//
//   train.precision = {result = bf16, lhs = f8E4M3FN, lhs_scaling = "delayed",
//   ...,
//                      fast_accum, why = "fp8-delayed.yaml:33 (lhs), ..."}
//
// train-apply-precision carries out `result`, `storage` and wide operands,
// fp8-insert-scaling the FP8 operands.
//
//===----------------------------------------------------------------------===//

#ifndef TRAIN_IR_PRECISION_H
#define TRAIN_IR_PRECISION_H

#include "Train/IR/Train.h"

namespace fp8c::train {

/// Keys of the dictionary. Those of an operand are prefixed with `lhs` or
/// `rhs`.
constexpr llvm::StringLiteral kResultKey = "result", kStorageKey = "storage",
                              kFastAccumKey = "fast_accum", kWhyKey = "why",
                              kLhsKey = "lhs", kRhsKey = "rhs",
                              kScalingKey = "_scaling", kWindowKey = "_window",
                              kMarginKey = "_margin", kPow2Key = "_pow2",
                              kGranularityKey = "_granularity";
constexpr llvm::StringLiteral kDelayed = "delayed", kCurrent = "current",
                              kBounded = "bounded";
/// Of a variable with scaled storage; the last two only where they hold.
constexpr llvm::StringLiteral kScaledKey = "scaled", kSquareRootKey = "sqrt",
                              kStochasticKey = "stochastic";

/// The decision on an op; null if there is none.
inline mlir::DictionaryAttr getPrecision(mlir::Operation *op) {
  return op->getAttrOfType<mlir::DictionaryAttr>(kPrecisionAttr);
}

/// Checks a decision on `op`: entries that somebody reads, of the form that
/// they have. What is wrong is an error at the op.
mlir::LogicalResult verifyPrecision(mlir::Operation *op,
                                    mlir::DictionaryAttr precision);

/// The float type under a key; null if there is none.
inline mlir::FloatType getFormat(mlir::DictionaryAttr precision,
                                 llvm::StringRef key) {
  auto type =
      precision ? precision.getAs<mlir::TypeAttr>(key) : mlir::TypeAttr();
  return type ? mlir::dyn_cast<mlir::FloatType>(type.getValue())
              : mlir::FloatType();
}

/// Once a decision is carried out, only its reason remains, as `train.why`.
inline void keepReason(mlir::Operation *op, mlir::DictionaryAttr precision) {
  op->removeDiscardableAttr(kPrecisionAttr);
  if (auto why = precision ? precision.getAs<mlir::StringAttr>(kWhyKey)
                           : mlir::StringAttr())
    if (!why.empty())
      op->setDiscardableAttr(kWhyAttr, why);
}

/// FP8, as opposed to the formats that ops other than fp8.matmul can take.
inline bool isFP8(mlir::Type format) {
  return mlir::isa_and_nonnull<mlir::Float8E4M3FNType, mlir::Float8E5M2Type>(
      format);
}

/// f32, bf16 or f16: the formats of tensors.
inline bool isWide(mlir::Type format) {
  return mlir::isa_and_nonnull<mlir::Float32Type, mlir::BFloat16Type,
                               mlir::Float16Type>(format);
}

} // namespace fp8c::train

#endif // TRAIN_IR_PRECISION_H
