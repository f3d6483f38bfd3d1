//===- Gradients.h - What processes have to sum -----------------*- C++ -*-===//

#ifndef TRAIN_TRANSFORMS_GRADIENTS_H
#define TRAIN_TRANSFORMS_GRADIENTS_H

#include "Train/IR/TrainLayout.h"

namespace fp8c::train {

/// A gradient's value before it is stored, and the type in which it travels.
struct Gradient {
  AssignOp assign;
  mlir::Value value;
  mlir::RankedTensorType wire;

  int64_t getNumElements() const { return wire.getNumElements(); }
};

/// The gradients of `micro` that differ between processes, in the order in
/// which they are there.
llvm::SmallVector<Gradient> findGradients(mlir::func::FuncOp micro,
                                          const Layout &layout);

} // namespace fp8c::train

#endif // TRAIN_TRANSFORMS_GRADIENTS_H
