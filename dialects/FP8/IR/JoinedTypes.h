//===- JoinedTypes.h - What collectives take and make -----------*- C++ -*-===//
//
// What processes join has the type of what comes out of it, or is parts of it:
// its first dimension is joined too. What they share out is divided along its
// first dimension.
//
//===----------------------------------------------------------------------===//

#ifndef FP8_IR_JOINEDTYPES_H
#define FP8_IR_JOINEDTYPES_H

#include "mlir/IR/OpImplementation.h"

namespace fp8c {

/// The type that parts lead to: `type` without its first dimension.
mlir::Type getPartType(mlir::Type type);
/// How many parts the first dimension of `input` holds: 1 if it has none, 0 if
/// `output` is not what it leads to.
int64_t countParts(mlir::Type input, mlir::Type output);
/// Checks that all values are of as many parts.
mlir::LogicalResult verifyJoinedTypes(mlir::Operation *op);

/// `type`, with another first dimension; null if it has none, or a scale for
/// each part of it.
mlir::Type withFirstDimension(mlir::Type type, int64_t size);
/// Checks that each of `wholes` is as many of `shares`, one after the other
/// along the first dimension, as the others.
mlir::LogicalResult verifyShareTypes(mlir::Operation *op,
                                     mlir::TypeRange shares,
                                     mlir::TypeRange wholes);

/// The types of the operands; then those of the results, if they are others.
mlir::ParseResult parseJoinedTypes(mlir::OpAsmParser &parser,
                                   mlir::SmallVectorImpl<mlir::Type> &inputs,
                                   mlir::SmallVectorImpl<mlir::Type> &outputs);
void printJoinedTypes(mlir::OpAsmPrinter &printer, mlir::Operation *op,
                      mlir::TypeRange inputs, mlir::TypeRange outputs);

} // namespace fp8c

#endif // FP8_IR_JOINEDTYPES_H
