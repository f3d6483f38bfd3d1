//===- Verification.h - A file's checksum, while it is read -----*- C++ -*-===//

#ifndef FP8C_RUNTIME_CORE_VERIFICATION_H
#define FP8C_RUNTIME_CORE_VERIFICATION_H

#include "core/MappedFile.h"

#include <future>
#include <string>

namespace fp8c::runtime {

/// Compares a file with its size and checksum on a thread of its own, beside
/// whatever the file's reader does with it.
class Verification {
public:
  /// `hint` is what to do about a damaged file. Throws Error if the size is
  /// another. The file must outlive this object.
  Verification(const MappedFile &file, uint64_t bytes, std::string checksum,
               std::string hint);

  /// Waits for the thread. Throws Error if the file has changed.
  void finish();

private:
  std::string path, expected, hint;
  std::future<std::string> actual; // waits for its thread when it goes
};

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_VERIFICATION_H
