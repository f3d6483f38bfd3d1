//===- AutoRecipe.h - Formats chosen by measurement -------------*- C++ -*-===//

#ifndef AUTORECIPE_AUTORECIPE_H
#define AUTORECIPE_AUTORECIPE_H

#include "mlir/IR/BuiltinOps.h"

namespace fp8c {

/// What states may take.
struct StateBudget {
  double bytes = 0;     ///< per parameter, all states together; 0: no budget
  bool f32Sums = false; ///< gradients are f32 sums over micro-batches
};

/// Writes a recipe for `module` to `output`, from the statistics that
/// `fp8c-run profile` wrote: see AutoProducts.h and AutoStates.h. Throws
/// runtime::Error, a std::runtime_error, and writes nothing, if the statistics
/// are not readable or of another model, or the budget cannot be kept.
void writeAutoRecipe(mlir::ModuleOp module, llvm::StringRef stats,
                     const StateBudget &budget, llvm::StringRef output);

} // namespace fp8c

#endif // AUTORECIPE_AUTORECIPE_H
