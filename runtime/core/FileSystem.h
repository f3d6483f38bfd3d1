//===- FileSystem.h - Questions about files, answered or thrown -*- C++ -*-===//
//
// What cannot be looked at must not pass for what is not there: a run whose
// checkpoints are unreadable would start again from the beginning.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_RUNTIME_CORE_FILESYSTEM_H
#define FP8C_RUNTIME_CORE_FILESYSTEM_H

#include <string>
#include <vector>

namespace fp8c::runtime {

/// Whether something of this name exists. Throws Error if that cannot be told.
bool exists(const std::string &path);

/// Names in a folder, in any order; none if there is no such folder. Throws
/// Error if it cannot be read.
std::vector<std::string> namesIn(const std::string &folder);

/// The path from the root on; an empty one stays empty.
std::string absolutePath(const std::string &path);

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_FILESYSTEM_H
