//===- Roofline.h - What a program costs at least ---------------*- C++ -*-===//

#ifndef ANALYSIS_ROOFLINE_H
#define ANALYSIS_ROOFLINE_H

#include "Target/Common/GPU.h"
#include "mlir/IR/BuiltinOps.h"

namespace fp8c {

/// Prints what one micro-batch and one update (or the forward pass, of a
/// program without them) cost at least on a GPU: totals by class, then the
/// `count` groups of equal ops that take longest.
void printRoofline(mlir::ModuleOp module, const target::GPU &gpu,
                   unsigned count, llvm::raw_ostream &os);

} // namespace fp8c

#endif // ANALYSIS_ROOFLINE_H
