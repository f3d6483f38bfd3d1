//===- ProductSummary.h - How many products are in FP8 ----------*- C++ -*-===//

#ifndef ANALYSIS_PRODUCTSUMMARY_H
#define ANALYSIS_PRODUCTSUMMARY_H

#include "mlir/IR/BuiltinOps.h"

namespace fp8c {

/// "24 of 27 matrix products are in FP8; not 3: the recipe says bf16", from
/// what fp8-assign-precision counted; empty where the recipe asks for no FP8.
std::string getProductSummary(mlir::ModuleOp module);

/// What is wrong, as an error says it, unless every product that the recipe
/// wants in FP8 is, and there is one; else empty.
std::string findMissingFP8(mlir::ModuleOp module);

} // namespace fp8c

#endif // ANALYSIS_PRODUCTSUMMARY_H
