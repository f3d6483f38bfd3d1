//===- AutoCriteria.h - What a format may do to a tensor --------*- C++ -*-===//

#ifndef AUTORECIPE_AUTOCRITERIA_H
#define AUTORECIPE_AUTOCRITERIA_H

#include "core/Json.h"
#include "llvm/ADT/StringRef.h"

#include <string>

namespace fp8c {

/// The limits of one role; docs/recipes.md says where they come from.
struct Limits {
  double snr = 0;       ///< least signal to noise in dB; 0: any will do
  double underflow = 1; ///< most of the elements that are not zero
  double lines = 1;     ///< most of the rows, and of the columns, that are lost
  double changes = 1;   ///< most of a step's changes that are lost

  /// "signal to noise of 20 dB, at most 1 % of the elements ...".
  std::string text() const;
};

/// How a format does by its limits.
struct Verdict {
  double miss = 0;  ///< largest share of a limit that is used; beyond 1 missed
  std::string text; ///< what was measured
  bool isMissed() const { return miss > 1; }
};

/// Of what fp8c-run profile measured with one format and granularity. Vectors
/// have no rows or columns to lose.
Verdict judge(const runtime::JsonField &measured, const Limits &limits,
              bool isMatrix);

/// "h.3/mlp/fc.weight" is one of "h.*/mlp/fc.weight".
std::string getKind(llvm::StringRef name);

/// A kind as a pattern of a recipe, in quotes: what is special in a pattern or
/// in YAML stands for itself, but the layer's "*".
std::string quoteKind(llvm::StringRef name);

} // namespace fp8c

#endif // AUTORECIPE_AUTOCRITERIA_H
