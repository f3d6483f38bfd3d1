//===- Pitch.h - How the rows of a matrix lie -------------------*- C++ -*-===//

#ifndef EXEC_IR_PITCH_H
#define EXEC_IR_PITCH_H

#include <cstdint>

namespace fp8c::exec {

/// `parts` rows side by side, the next ones `pitch` elements behind their
/// start. Both are 0 where rows follow each other.
struct Pitch {
  int64_t parts = 0, pitch = 0;
  bool operator==(const Pitch &other) const {
    return parts == other.parts && pitch == other.pitch;
  }
  bool operator!=(const Pitch &other) const { return !(*this == other); }
};

} // namespace fp8c::exec

#endif // EXEC_IR_PITCH_H
