//===- AutoStates.h - Formats of states by measurement ----------*- C++ -*-===//

#ifndef AUTORECIPE_AUTOSTATES_H
#define AUTORECIPE_AUTOSTATES_H

#include "AutoRecipe/AutoRecipe.h"
#include "core/Json.h"
#include "llvm/Support/raw_ostream.h"

namespace fp8c {

/// Writes the rules of a recipe that give parameters, gradients and moments
/// their formats, from the member "variables" of the statistics, by the limits
/// in docs/recipes.md, and returns how many bytes per parameter they take, as
/// `fp8c inspect` counts them. Variables that differ in the number of their
/// layer alone have one format.
///
/// Without a budget matrices get the fewest bytes within the limits. With one,
/// all start in f32, and what loses least accuracy per byte is narrowed until
/// the budget is kept; vectors after matrices. Throws runtime::Error if the
/// limits do not allow it.
double writeStates(const runtime::JsonField &statistics,
                   const StateBudget &budget, llvm::raw_ostream &os);

} // namespace fp8c

#endif // AUTORECIPE_AUTOSTATES_H
