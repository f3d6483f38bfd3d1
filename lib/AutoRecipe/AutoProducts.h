//===- AutoProducts.h - Formats of products by measurement ------*- C++ -*-===//

#ifndef AUTORECIPE_AUTOPRODUCTS_H
#define AUTORECIPE_AUTOPRODUCTS_H

#include "core/Json.h"
#include "llvm/Support/raw_ostream.h"

namespace fp8c {

/// Writes the rules of a recipe that give the operands of matrix products their
/// formats, from the member "operands" of the statistics, by the criterion in
/// docs/recipes.md. Products that differ in the number of their layer alone
/// share rules. Without that member the rules are those of fp8-lm.yaml.
void writeProducts(const runtime::JsonField &statistics, llvm::raw_ostream &os);

} // namespace fp8c

#endif // AUTORECIPE_AUTOPRODUCTS_H
