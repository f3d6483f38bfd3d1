//===- Verification.cpp - A file's checksum, while it is read -------------===//

#include "core/Verification.h"

#include "core/Checksum.h"
#include "core/Error.h"
#include "core/Text.h"

namespace fp8c::runtime {

Verification::Verification(const MappedFile &file, uint64_t bytes,
                           std::string checksum, std::string theHint)
    : path(file.path()), expected(std::move(checksum)),
      hint(std::move(theHint)) {
  if (file.size() != bytes)
    throw Error::inFile(path,
                        concat("damaged: has ", file.size(),
                               " bytes, and was written with ", bytes),
                        hint);
  actual = std::async(std::launch::async,
                      [&file] { return checksumOf(file.data(), file.size()); });
}

void Verification::finish() {
  if (actual.get() != expected)
    throw Error::inFile(
        path, "damaged: its checksum is not that of its contents", hint);
}

} // namespace fp8c::runtime
