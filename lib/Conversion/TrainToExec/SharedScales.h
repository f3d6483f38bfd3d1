//===- SharedScales.h - FP8 variables of one scale --------------*- C++ -*-===//

#ifndef CONVERSION_TRAINTOEXEC_SHAREDSCALES_H
#define CONVERSION_TRAINTOEXEC_SHAREDSCALES_H

#include "Train/IR/Train.h"
#include "mlir/IR/BuiltinOps.h"

namespace fp8c {

/// Variables that need no scale pair of their own: wherever one is assigned,
/// so is the variable it is mapped to, with the same scale. A weight and its
/// transpose are the usual case.
llvm::DenseMap<mlir::StringAttr, mlir::StringAttr>
findSharedScales(mlir::ModuleOp module);

} // namespace fp8c

#endif // CONVERSION_TRAINTOEXEC_SHAREDSCALES_H
