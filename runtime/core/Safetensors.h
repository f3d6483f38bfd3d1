//===- Safetensors.h - Reading and writing .safetensors files ---*- C++ -*-===//
//
// The format: eight bytes, the length of a JSON header; the header, which
// names each tensor's dtype, shape and range; then the data without gaps.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_RUNTIME_CORE_SAFETENSORS_H
#define FP8C_RUNTIME_CORE_SAFETENSORS_H

#include "core/Manifest.h"
#include "core/MappedFile.h"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace fp8c::runtime {

class JsonField;
class OutputFile;

/// A file opened for reading; tensors are views into the mapping.
class SafetensorsReader {
public:
  /// Throws Error unless the ranges of the header fit their dtypes and shapes
  /// and cover the data without overlap or gap.
  explicit SafetensorsReader(const std::string &path);

  struct Tensor {
    TensorSpec spec;
    const unsigned char *data;
  };

  const std::map<std::string, Tensor> &tensors() const { return theTensors; }
  const std::string &path() const { return file.path(); }
  const MappedFile &bytes() const { return file; }

  /// The header's __metadata__.
  const std::map<std::string, std::string> &metadata() const {
    return theMetadata;
  }

  /// The data of a tensor that must have exactly this dtype and shape, or
  /// null if there is none of that name. Throws Error if it differs.
  const unsigned char *find(const TensorSpec &expected) const;

private:
  void read(const std::string &name, const JsonField &entry,
            const unsigned char *data, uint64_t dataBytes);
  void checkCover(const unsigned char *data, uint64_t dataBytes) const;

  MappedFile file;
  std::map<std::string, Tensor> theTensors;
  std::map<std::string, std::string> theMetadata;
};

/// What tells one file from a damaged copy of it.
struct FileSum {
  uint64_t bytes = 0;
  std::string checksum; ///< as Checksum::text() gives it
};

/// A tensor to write; `fetch` copies its bytes to the given place.
struct SafetensorsEntry {
  TensorSpec spec;
  std::function<void(unsigned char *)> fetch;
};

/// Writes the entries, largest elements first so that all stay aligned, and
/// `metadata` (string to string). Holds one tensor at a time in memory.
FileSum
writeSafetensors(OutputFile &file, std::vector<SafetensorsEntry> entries,
                 const std::map<std::string, std::string> &metadata = {});

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_SAFETENSORS_H
