//===- DataFile.cpp - A model's file, opened with care --------------------===//

#include "Import/ONNX/DataFile.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

namespace fp8c {

/// A pipe that nobody writes to must not keep us waiting.
static constexpr int kRead = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

std::string checkLocation(const std::string &location) {
  bool isText = std::none_of(location.begin(), location.end(), [](char c) {
    return static_cast<unsigned char>(c) < ' ' || c == '\x7f';
  });
  if (!isText)
    return "has control characters";
  std::filesystem::path path(location);
  if (path.is_absolute() ||
      std::find(path.begin(), path.end(), "..") != path.end())
    return "leads outside of the model's folder";
  return path.has_filename() ? "" : "names no file";
}

DataFile::~DataFile() {
  if (fd >= 0)
    close(fd);
}

bool DataFile::accept(bool mayHaveLinks, std::string &reason) {
  struct stat status;
  if (fd < 0 || fstat(fd, &status) != 0)
    reason = std::strerror(errno);
  else if (!S_ISREG(status.st_mode))
    reason = "it is not a regular file";
  else if (!mayHaveLinks && status.st_nlink > 1)
    reason = "it has other names besides (hard links): put a copy in its place";
  else {
    bytes = uint64_t(status.st_size);
    return true;
  }
  return false;
}

bool DataFile::open(const std::string &path, std::string &reason) {
  fd = ::open(path.c_str(), kRead);
  return accept(/*mayHaveLinks=*/true, reason);
}

static bool isLink(int folder, const char *name) {
  struct stat status;
  return fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
         S_ISLNK(status.st_mode);
}

bool DataFile::open(const std::string &folder, const std::string &location,
                    std::string &reason) {
  reason = checkLocation(location);
  if (!reason.empty())
    return false;
  // One step at a time, each from where the last one led: what is checked is
  // what is opened.
  std::filesystem::path path = std::filesystem::path(location);
  fd = ::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  for (auto part = path.begin(); fd >= 0 && part != path.end(); ++part) {
    bool isLast = std::next(part) == path.end();
    int next = openat(fd, part->c_str(),
                      O_NOFOLLOW |
                          (isLast ? kRead : O_PATH | O_DIRECTORY | O_CLOEXEC));
    int code = errno;
    if (next < 0 && isLink(fd, part->c_str())) {
      reason = "'" + part->string() +
               "' is a symbolic link, which a model may not use: put what it "
               "points to in its place";
      return false;
    }
    close(fd);
    fd = next;
    errno = code;
  }
  return accept(/*mayHaveLinks=*/false, reason);
}

bool DataFile::read(uint64_t offset, char *to, size_t bytes,
                    std::string &reason) const {
  while (bytes > 0) {
    ssize_t count = pread(fd, to, bytes, off_t(offset));
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0) {
      reason = count < 0 ? std::strerror(errno) : "it has become shorter";
      return false;
    }
    to += count;
    offset += count;
    bytes -= count;
  }
  return true;
}

} // namespace fp8c
