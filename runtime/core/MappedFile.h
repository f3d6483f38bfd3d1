//===- MappedFile.h - A file read through memory ----------------*- C++ -*-===//

#ifndef FP8C_RUNTIME_CORE_MAPPEDFILE_H
#define FP8C_RUNTIME_CORE_MAPPEDFILE_H

#include <cstddef>
#include <cstdint>
#include <string>

namespace fp8c::runtime {

/// A whole file mapped read-only. Pages come in as they are touched.
class MappedFile {
public:
  MappedFile() = default;

  /// Throws Error if the file cannot be opened or is not a regular file.
  explicit MappedFile(const std::string &path);
  ~MappedFile();

  MappedFile(MappedFile &&other) noexcept { swap(other); }
  MappedFile &operator=(MappedFile &&other) noexcept {
    swap(other);
    return *this;
  }

  const std::string &path() const { return thePath; }
  const unsigned char *data() const { return base; }
  uint64_t size() const { return bytes; }

private:
  void swap(MappedFile &other) noexcept;

  std::string thePath;
  unsigned char *base = nullptr;
  uint64_t bytes = 0;
};

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_MAPPEDFILE_H
