//===- TensorRange.h - Where the bytes of a tensor stand --------*- C++ -*-===//

#ifndef FP8C_IMPORT_ONNX_TENSORRANGE_H
#define FP8C_IMPORT_ONNX_TENSORRANGE_H

#include "Import/ONNX/DataFile.h"

#include <functional>

namespace fp8c {

/// Bytes of a file: little-endian elements without gaps, at any alignment.
struct TensorRange {
  std::string path; ///< Of the model; of external data, in the model's folder.
  uint64_t offset = 0;
  uint64_t bytes = 0;
  std::string folder; ///< The model's, for external data; else empty.

  /// Opens the file, of external data without leaving the folder. False, and
  /// what is wrong in `reason`, where that fails or the file is too short.
  bool open(DataFile &file, std::string &reason) const;

  /// Reads the range into `data`; false, and a sentence in `error`, where the
  /// file cannot be read so far.
  bool read(std::string &data, std::string &error) const;

  /// Hands the range over part by part, in order, each of whole elements, until
  /// `visit` returns false; false as above, possibly after some parts.
  bool stream(const std::function<bool(const char *, size_t)> &visit,
              std::string &error) const;
};

} // namespace fp8c

#endif // FP8C_IMPORT_ONNX_TENSORRANGE_H
