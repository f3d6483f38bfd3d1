//===- MappedFile.cpp - A file's bytes in memory, read as needed ----------===//

#include "Import/ONNX/MappedFile.h"

#include <cerrno>
#include <cstring>
#include <sys/mman.h>

namespace fp8c {

MappedFile::~MappedFile() {
  if (bytes)
    munmap(const_cast<char *>(bytes), length);
}

bool MappedFile::map(const DataFile &file, std::string &reason) {
  if (file.size() == 0) {
    reason = "it is empty";
    return false;
  }
  void *mapping =
      mmap(nullptr, file.size(), PROT_READ, MAP_PRIVATE, file.descriptor(), 0);
  if (mapping == MAP_FAILED) {
    reason = std::strerror(errno);
    return false;
  }
  bytes = static_cast<const char *>(mapping);
  length = file.size();
  return true;
}

} // namespace fp8c
