//===- Profile.h - Where the time of a step goes ----------------*- C++ -*-===//

#ifndef FP8C_RUNTIME_CORE_PROFILE_H
#define FP8C_RUNTIME_CORE_PROFILE_H

#include "core/Device.h"

#include <string>
#include <vector>

namespace fp8c::runtime {

/// Writes the times as a trace that Perfetto and chrome://tracing show: JSON,
/// "traceEvents" with one complete event per op, times in microseconds. Throws
/// Error if the file cannot be written.
void writeTrace(const std::string &path, const std::vector<OpTime> &times);

/// Times summed over ops of one kind: the layer's number and, where several
/// ops became one kernel, all but what they do alike are left out. The
/// costliest `rows` kinds, in milliseconds and percent.
std::string profileTable(const std::vector<OpTime> &times, size_t rows);

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_PROFILE_H
