//===- InPlace.h - Which ops may write over what they read ------*- C++ -*-===//

#ifndef EXEC_TRANSFORMS_INPLACE_H
#define EXEC_TRANSFORMS_INPLACE_H

#include "Exec/IR/Exec.h"

namespace fp8c::exec {

/// Whether `op` computes the same if the buffer that it writes as operand
/// `output` is the one that it reads as operand `input`, both whole and of one
/// size: each element is read before it is written, by what writes it, and for
/// nothing but that.
bool mayOverwrite(mlir::Operation *op, unsigned input, unsigned output,
                  const mlir::SymbolTable &symbols);

/// Whether operand `index` of a launch or call is written only.
bool isOutput(mlir::Operation *op, unsigned index,
              const mlir::SymbolTable &symbols);

} // namespace fp8c::exec

#endif // EXEC_TRANSFORMS_INPLACE_H
