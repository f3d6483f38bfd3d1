//===- TrainVJP.h - What the VJPs of train ops share --------------*- C++
//-*-===//

#ifndef TRAIN_IR_TRAINVJP_H
#define TRAIN_IR_TRAINVJP_H

#include "Train/IR/Train.h"

namespace fp8c::train {

/// Turns a gradient of the broadcast shape into the operand's: sums over what
/// was repeated and rounds to the operand's element type.
mlir::Value reduceToOperand(mlir::OpBuilder &builder, mlir::Value gradient,
                            mlir::Value operand);

/// Gives the op that made `gradient` the phase wgrad if `operand` is a
/// variable's value, read as it is or through a change of layout or format.
/// Returns the gradient.
mlir::Value markIfParameter(mlir::Value gradient, mlir::Value operand);

} // namespace fp8c::train

#endif // TRAIN_IR_TRAINVJP_H
