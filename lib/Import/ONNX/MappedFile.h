//===- MappedFile.h - A file's bytes in memory, read as needed --*- C++ -*-===//

#ifndef FP8C_IMPORT_ONNX_MAPPEDFILE_H
#define FP8C_IMPORT_ONNX_MAPPEDFILE_H

#include "Import/ONNX/DataFile.h"

#include <cstddef>

namespace fp8c {

/// A read-only mapping of a whole file, until destruction.
class MappedFile {
public:
  MappedFile() = default;
  ~MappedFile();
  MappedFile(const MappedFile &) = delete;
  MappedFile &operator=(const MappedFile &) = delete;

  /// Maps an open file; false, and what is wrong in `reason`, where it is empty
  /// or cannot be mapped. Called once.
  bool map(const DataFile &file, std::string &reason);

  const char *data() const { return bytes; }
  size_t size() const { return length; }

private:
  const char *bytes = nullptr;
  size_t length = 0;
};

} // namespace fp8c

#endif // FP8C_IMPORT_ONNX_MAPPEDFILE_H
