//===- ProductSummary.h - How many products are in FP8 ----------*- C++ -*-===//

#ifndef FP8C_TOOLS_FP8C_PRODUCTSUMMARY_H
#define FP8C_TOOLS_FP8C_PRODUCTSUMMARY_H

#include "mlir/IR/BuiltinOps.h"

namespace fp8c {

/// "24 of 27 matrix products are in FP8; not 3: the recipe says bf16", from
/// what fp8-assign-precision counted; empty where the recipe asks for no FP8.
std::string getProductSummary(mlir::ModuleOp module);

/// Prints an error unless every product that the recipe wants in FP8 is, and
/// there is one.
mlir::LogicalResult requireFP8(mlir::ModuleOp module, llvm::StringRef model);

} // namespace fp8c

#endif // FP8C_TOOLS_FP8C_PRODUCTSUMMARY_H
