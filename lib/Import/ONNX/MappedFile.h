//===- MappedFile.h - A file's bytes in memory, read as needed --*- C++ -*-===//

#ifndef FP8C_IMPORT_ONNX_MAPPEDFILE_H
#define FP8C_IMPORT_ONNX_MAPPEDFILE_H

#include <cstddef>
#include <string>

namespace fp8c {

/// A read-only mapping of a whole file, until destruction.
class MappedFile {
public:
  MappedFile() = default;
  ~MappedFile();
  MappedFile(const MappedFile &) = delete;
  MappedFile &operator=(const MappedFile &) = delete;

  /// Maps the file; false, and a sentence in `error`, where it is missing, not
  /// readable, not a regular file or empty. Called once.
  bool open(const std::string &path, std::string &error);

  const char *data() const { return bytes; }
  size_t size() const { return length; }

private:
  const char *bytes = nullptr;
  size_t length = 0;
};

} // namespace fp8c

#endif // FP8C_IMPORT_ONNX_MAPPEDFILE_H
