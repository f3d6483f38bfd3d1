//===- TensorRange.cpp - Where the bytes of a tensor stand ----------------===//

#include "Import/ONNX/TensorRange.h"

#include "Import/ONNX/MappedFile.h"

#include <algorithm>
#include <filesystem>
#include <vector>

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

bool TensorRange::stream(const std::function<bool(const char *, size_t)> &visit,
                         std::string &error) const {
  DataFile file;
  std::string reason;
  bool works = open(file, reason), goesOn = true;
  std::vector<char> part(std::min<uint64_t>(bytes, 1 << 20));
  for (uint64_t done = 0; works && goesOn && done < bytes;) {
    size_t size = std::min<uint64_t>(part.size(), bytes - done);
    works = file.read(offset + done, part.data(), size, reason);
    goesOn = works && visit(part.data(), size);
    done += size;
  }
  if (!works)
    error = "cannot be read from '" + path + "': " + reason;
  return works;
}

} // namespace fp8c
