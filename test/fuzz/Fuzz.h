//===- Fuzz.h - What the fuzz targets share ---------------------*- C++ -*-===//
//
// A reader takes a file or refuses it with its one kind of error. Anything else
// is a finding: another exception, a crash, a broken promise, a hang, or more
// memory than scripts/fuzz allows.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_TEST_FUZZ_FUZZ_H
#define FP8C_TEST_FUZZ_FUZZ_H

#include "core/Error.h"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include <unistd.h>

namespace fp8c::fuzz {

/// A promise of the reader's interface.
inline void require(bool holds, const char *promise) {
  if (holds)
    return;
  std::fprintf(stderr, "broken promise: %s\n", promise);
  std::abort();
}

/// Calls `read`, which may throw runtime::Error that says something.
template <class Read> void mayRefuse(Read read) {
  try {
    read();
  } catch (const runtime::Error &error) {
    require(*error.what() != '\0', "an error has a message");
  }
}

inline std::string_view text(const uint8_t *data, size_t size) {
  return {reinterpret_cast<const char *>(data), size};
}

/// The files that an input consists of: a line "====" stands between two.
/// Those that it does not have are empty.
inline std::vector<std::string_view> splitFiles(std::string_view input,
                                                size_t count) {
  constexpr std::string_view separator = "\n====\n";
  std::vector<std::string_view> files(count);
  for (size_t i = 0; i + 1 < count; ++i) {
    size_t end = input.find(separator);
    files[i] = input.substr(0, end);
    input.remove_prefix(end == input.npos ? input.size()
                                          : end + separator.size());
  }
  files.back() = input;
  return files;
}

/// A folder for the files to read, in $TMPDIR, that goes with the process.
class Folder {
public:
  Folder()
      : path(std::filesystem::temp_directory_path() /
             ("fp8c-fuzz-" + std::to_string(getpid()))) {
    std::filesystem::create_directories(path);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  Folder(const Folder &) = delete;
  Folder &operator=(const Folder &) = delete;

  std::string in(const std::string &name) const { return path / name; }

  /// Writes a file and returns its path.
  std::string write(const std::string &name, std::string_view bytes) const {
    std::ofstream(in(name), std::ios::binary) << bytes;
    return in(name);
  }

private:
  std::filesystem::path path;
};

/// The folder of this process.
inline Folder &folder() {
  static Folder theFolder;
  return theFolder;
}

} // namespace fp8c::fuzz

#endif // FP8C_TEST_FUZZ_FUZZ_H
