//===- AutoRecipe.h - Formats chosen by measurement -------------*- C++ -*-===//

#ifndef TOOLS_FP8C_AUTORECIPE_H
#define TOOLS_FP8C_AUTORECIPE_H

#include "AutoStates.h"
#include "mlir/IR/BuiltinOps.h"

namespace fp8c {

/// Writes a recipe for `module` to `output`, from the statistics that
/// `fp8c-run profile` wrote: see AutoProducts.h and AutoStates.h. Throws
/// runtime::Error, and writes nothing, if the statistics are not readable or of
/// another model, or the budget cannot be kept.
void writeAutoRecipe(mlir::ModuleOp module, llvm::StringRef stats,
                     const StateBudget &budget, llvm::StringRef output);

} // namespace fp8c

#endif // TOOLS_FP8C_AUTORECIPE_H
