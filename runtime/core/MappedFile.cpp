//===- MappedFile.cpp - A file read through memory ------------------------===//

#include "core/MappedFile.h"

#include "core/Error.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace fp8c::runtime {

MappedFile::MappedFile(const std::string &path) : thePath(path) {
  // A pipe without a writer would be waited for: it is refused below.
  int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0)
    throw Error::inFile(path,
                        std::string("cannot read: ") + std::strerror(errno));
  struct stat status = {};
  void *mapping = MAP_FAILED;
  bool isKnown = fstat(descriptor, &status) == 0;
  bool isRegular = isKnown && S_ISREG(status.st_mode);
  if (isRegular && status.st_size > 0)
    mapping = mmap(nullptr, static_cast<size_t>(status.st_size), PROT_READ,
                   MAP_PRIVATE, descriptor, 0);
  std::string failure;
  if (isKnown && !isRegular)
    failure = "not a regular file";
  else if (!isKnown || (status.st_size > 0 && mapping == MAP_FAILED))
    failure = std::strerror(errno);
  close(descriptor);
  if (!failure.empty())
    throw Error::inFile(path, "cannot read: " + failure);
  if (mapping != MAP_FAILED) {
    base = static_cast<unsigned char *>(mapping);
    bytes = static_cast<uint64_t>(status.st_size);
  }
}

MappedFile::~MappedFile() {
  if (base)
    munmap(base, bytes);
}

void MappedFile::swap(MappedFile &other) noexcept {
  std::swap(thePath, other.thePath);
  std::swap(base, other.base);
  std::swap(bytes, other.bytes);
}

} // namespace fp8c::runtime
