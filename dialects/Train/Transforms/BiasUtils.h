//===- BiasUtils.h - Sums of products and biases ----------------*- C++ -*-===//

#ifndef TRAIN_TRANSFORMS_BIASUTILS_H
#define TRAIN_TRANSFORMS_BIASUTILS_H

#include "Train/IR/Train.h"

namespace fp8c::train {

/// A contraction's result, in memory whatever its users are, plus a vector that
/// is a variable.
inline bool isBiasOfContraction(AddOp add) {
  mlir::Operation *product = add.getLhs().getDefiningOp(),
                  *bias = add.getRhs().getDefiningOp();
  return fp8::getContraction(product) && mlir::isa_and_nonnull<ReadOp>(bias) &&
         add.getRhs().getType().getRank() == 1 &&
         add.getType() == add.getLhs().getType();
}

} // namespace fp8c::train

#endif // TRAIN_TRANSFORMS_BIASUTILS_H
