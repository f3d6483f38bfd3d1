//===- MutateIR.h - Small changes to the text of IR -------------*- C++ -*-===//

#ifndef FP8C_TEST_MUTATE_MUTATEIR_H
#define FP8C_TEST_MUTATE_MUTATEIR_H

#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <string>

namespace fp8c {

/// The text with a small change, or two, that its author could have made by
/// mistake: two operands or symbols swapped; a number, type, enumerator or flag
/// changed; an op or an attribute dropped; an op written twice, or elsewhere.
/// The same for the same seed. `kind` becomes the change's name. The change may
/// be none, where the text has nothing to change so.
std::string mutateIR(llvm::StringRef text, uint64_t seed, std::string &kind);

} // namespace fp8c

#endif // FP8C_TEST_MUTATE_MUTATEIR_H
