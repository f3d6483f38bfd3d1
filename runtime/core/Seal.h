//===- Seal.h - JSON files that carry their own checksum --------*- C++ -*-===//
//
// A sealed file is a JSON object whose last member is
//
//   "checksum": "xxh3:0123456789abcdef"
//
// over every byte before that line. So a flipped bit is noticed wherever it is,
// and the file stays JSON that anyone can read.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_RUNTIME_CORE_SEAL_H
#define FP8C_RUNTIME_CORE_SEAL_H

#include <string>

namespace fp8c::runtime {

/// Adds the checksum to an object as `dump(n)` prints it, over several lines.
std::string seal(const std::string &object);

enum class Seal {
  None,   ///< the text has no checksum: an older file, or one made by hand
  Intact, ///< nothing has changed since it was sealed
  Broken  ///< something has
};

Seal checkSeal(const std::string &text);

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_SEAL_H
