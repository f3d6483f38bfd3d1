//===- TensorRange.cpp - Where the bytes of a tensor stand ----------------===//

#include "Import/ONNX/TensorRange.h"

#include "Import/ONNX/MappedFile.h"

#include <filesystem>

namespace fp8c {

bool TensorRange::open(DataFile &file, std::string &reason) const {
  std::string location =
      std::filesystem::path(path).lexically_relative(folder).string();
  if (folder.empty() ? !file.open(path, reason)
                     : !file.open(folder, location, reason))
    return false;
  if (offset <= file.size() && bytes <= file.size() - offset)
    return true;
  reason = "it has " + std::to_string(file.size()) + " bytes, but " +
           std::to_string(offset + bytes) + " are needed";
  return false;
}

bool TensorRange::read(std::string &data, std::string &error) const {
  DataFile file;
  MappedFile mapped;
  std::string reason;
  if (!open(file, reason) || !mapped.map(file, reason)) {
    error = "cannot be read from '" + path + "': " + reason;
    return false;
  }
  data.assign(mapped.data() + offset, bytes);
  return true;
}

} // namespace fp8c
