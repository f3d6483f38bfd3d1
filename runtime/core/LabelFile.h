//===- LabelFile.h - Labels of the tokens of a file -------------*- C++ -*-===//

#ifndef FP8C_RUNTIME_CORE_LABELFILE_H
#define FP8C_RUNTIME_CORE_LABELFILE_H

#include "core/TokenFile.h"

#include <memory>

namespace fp8c::runtime {

/// The label of each token of a token file, at the same place: little-endian
/// int32 without header, as NumPy's `labels.astype("<i4").tofile(path)` writes
/// them. Negative ones (-100 by custom) do not count.
class LabelFile {
public:
  /// Maps the file. Throws Error if it has not one label for each token.
  LabelFile(const std::string &path, const TokenFile &tokens);

  const std::string &path() const { return file.path(); }

  /// The label at a place. Throws Error if it is not below `classes` (0: there
  /// is no bound).
  int64_t at(uint64_t place, int64_t classes) const;

  /// Reads the whole file and returns how many labels are not negative. Throws
  /// Error as above.
  uint64_t check(int64_t classes) const;

  /// Of the whole file, as config.json stores it.
  std::string checksum() const;

private:
  MappedFile file;
  const int32_t *labels = nullptr;
  uint64_t count = 0;
};

/// The file at `path`; null if that is empty.
std::unique_ptr<LabelFile> openLabels(const std::string &path,
                                      const TokenFile &tokens);

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_LABELFILE_H
