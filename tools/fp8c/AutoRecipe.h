//===- AutoRecipe.h - Formats chosen by measurement -------------*- C++ -*-===//

#ifndef TOOLS_FP8C_AUTORECIPE_H
#define TOOLS_FP8C_AUTORECIPE_H

#include "mlir/IR/BuiltinOps.h"

namespace fp8c {

/// Writes a recipe for `module` to `output`, from the statistics that
/// `fp8c-run profile` wrote: for each role of variable the format of the fewest
/// bytes that all matrices can have, by the criteria in docs/recipes.md.
/// With a budget, in bytes per parameter (0: none), the choice within it that
/// misses the criteria by least. Prints an error and fails if the statistics
/// are not readable, or of another model.
mlir::LogicalResult writeAutoRecipe(mlir::ModuleOp module,
                                    llvm::StringRef stats, double budget,
                                    llvm::StringRef output);

} // namespace fp8c

#endif // TOOLS_FP8C_AUTORECIPE_H
