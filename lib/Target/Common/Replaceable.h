//===- Replaceable.h - Whether a program may take a place -------*- C++ -*-===//

#ifndef TARGET_COMMON_REPLACEABLE_H
#define TARGET_COMMON_REPLACEABLE_H

#include "llvm/ADT/StringRef.h"
#include <optional>
#include <string>

namespace fp8c::target {

/// Why a place is not free, and what to do about it.
struct Refusal {
  std::string what, hint;
};

/// Nothing if a program folder may be put at `path`: nothing is there, or only
/// what fp8c wrote and nobody has changed, a whole program. It is known by what
/// its manifest says, not by names.
std::optional<Refusal> findInTheWay(llvm::StringRef path);

/// Whether the folder holds nothing but files of a program, complete or not:
/// what a compilation left that was killed.
bool holdsOnlyProgramFiles(llvm::StringRef folder);

/// Removes such a folder; whatever else is in it stays, and is an error.
std::error_code removeProgram(llvm::StringRef folder);

} // namespace fp8c::target

#endif // TARGET_COMMON_REPLACEABLE_H
