//===- MappedFile.cpp - A file's bytes in memory, read as needed ----------===//

#include "Import/ONNX/MappedFile.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace fp8c {

MappedFile::~MappedFile() {
  if (bytes)
    munmap(const_cast<char *>(bytes), length);
}

bool MappedFile::open(const std::string &path, std::string &error) {
  auto fail = [&](const std::string &reason) {
    error = "cannot read '" + path + "': " + reason;
    return false;
  };
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return fail(std::strerror(errno));
  struct stat status;
  bool regular = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
  void *mapping = MAP_FAILED;
  if (regular && status.st_size > 0)
    mapping = mmap(nullptr, status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
  int code = errno;
  close(fd);
  if (!regular)
    return fail("it is not a regular file");
  if (status.st_size == 0)
    return fail("it is empty");
  if (mapping == MAP_FAILED)
    return fail(std::strerror(code));
  bytes = static_cast<const char *>(mapping);
  length = status.st_size;
  return true;
}

} // namespace fp8c
