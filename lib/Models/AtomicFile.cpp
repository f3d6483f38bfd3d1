//===- AtomicFile.cpp - A file that appears complete or not at all --------===//

#include "Models/AtomicFile.h"

#include "core/OutputFile.h"
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace fp8c {

AtomicFile::AtomicFile(std::string path)
    : path(std::move(path)), temporary(this->path + ".partial") {}

AtomicFile::~AtomicFile() {
  if (fd < 0)
    return;
  close(fd);
  discard();
}

void AtomicFile::discard() const { unlink(temporary.c_str()); }

std::string AtomicFile::describe(int code) const {
  return "cannot write '" + path + "': " + std::strerror(code);
}

bool AtomicFile::open(std::string &error) {
  // A rename would replace a device or a folder's name, /dev/null among them.
  struct stat status;
  if (stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) {
    error = "cannot write '" + path + "': it is not a regular file";
    return false;
  }
  fd = runtime::openNewFile(temporary);
  if (fd < 0)
    error = describe(errno);
  return fd >= 0;
}

bool AtomicFile::commit(std::string &error) {
  // Some file systems report a full disk only here.
  bool closed = close(std::exchange(fd, -1)) == 0;
  if (closed && std::rename(temporary.c_str(), path.c_str()) == 0)
    return true;
  error = describe(errno);
  discard();
  return false;
}

} // namespace fp8c
