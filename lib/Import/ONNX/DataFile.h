//===- DataFile.h - A model's file, opened with care ------------*- C++ -*-===//
//
// A model may come from anywhere, and names the files of its external data
// itself. None of these names may lead out of the model's folder.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_IMPORT_ONNX_DATAFILE_H
#define FP8C_IMPORT_ONNX_DATAFILE_H

#include <cstdint>
#include <string>

namespace fp8c {

/// What is wrong with `location` as the name of external data: it must be a
/// relative path without "..", and without control characters. Empty if
/// nothing is.
std::string checkLocation(const std::string &location);

/// A regular file open for reading, until destruction.
class DataFile {
public:
  DataFile() = default;
  ~DataFile();
  DataFile(const DataFile &) = delete;
  DataFile &operator=(const DataFile &) = delete;

  /// Opens a file; false, and what is wrong in `reason`, where it is missing,
  /// not readable or not a regular file. Called once.
  bool open(const std::string &path, std::string &reason);

  /// Opens `folder`/`location`, where a model in `folder` has named `location`.
  /// Refuses a bad location, and every link: symbolic ones on the way from
  /// `folder` on, and a file that has other names besides (hard links). Holds
  /// whatever happens to the folder meanwhile.
  bool open(const std::string &folder, const std::string &location,
            std::string &reason);

  int descriptor() const { return fd; }

  /// Reads `bytes` from place `offset` on into `to`; false, and what is wrong
  /// in `reason`, where the file cannot be read so far.
  bool read(uint64_t offset, char *to, size_t bytes, std::string &reason) const;

  uint64_t size() const { return bytes; } ///< when it was opened

private:
  bool accept(bool mayHaveLinks, std::string &reason);

  int fd = -1;
  uint64_t bytes = 0;
};

} // namespace fp8c

#endif // FP8C_IMPORT_ONNX_DATAFILE_H
