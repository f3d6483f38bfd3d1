//===- OutputFile.cpp - Writing files so that none is half-written --------===//

#include "core/OutputFile.h"

#include "core/Error.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace fp8c::runtime {
namespace {

constexpr size_t bufferBytes = 1 << 20;

} // namespace

void throwSystemError(const std::string &path, const std::string &action,
                      int code) {
  std::string hint;
  if (code == ENOSPC || code == EDQUOT)
    hint = "free some space; what was there before is intact";
  else if (code == EFBIG)
    hint = "raise the file size limit (ulimit -f); what was there before is "
           "intact";
  else if (code == EBUSY)
    hint = "another process is writing it: wait for it";
  else if (code == ELOOP)
    hint = "it is a link: remove it";
  else if (code == EACCES || code == EPERM || code == EROFS)
    hint = "choose a place that you may write to";
  throw Error::inFile(path, action + ": " + std::strerror(code), hint);
}

OutputFile::OutputFile(const std::string &path, Mode mode) : path(path) {
  int how = mode == Mode::Append ? O_APPEND : O_TRUNC;
  descriptor =
      mode == Mode::New
          ? openNewFile(path)
          : open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | how, 0666);
  if (descriptor < 0)
    throwSystemError(path, "cannot write", errno);
  buffer.reserve(bufferBytes);
}

OutputFile::~OutputFile() { close(descriptor); }

void OutputFile::write(const void *data, uint64_t bytes) {
  auto *source = static_cast<const unsigned char *>(data);
  if (buffer.size() + bytes > bufferBytes)
    flush();
  if (bytes >= bufferBytes)
    return writeNow(source, bytes);
  buffer.insert(buffer.end(), source, source + bytes);
}

void OutputFile::writeNow(const unsigned char *data, uint64_t bytes) {
  while (bytes > 0) {
    ssize_t written = ::write(descriptor, data, bytes);
    if (written < 0 && errno == EINTR)
      continue;
    if (written < 0)
      throwSystemError(path, "cannot write", errno);
    data += written;
    bytes -= static_cast<uint64_t>(written);
  }
}

void OutputFile::flush() {
  writeNow(buffer.data(), buffer.size());
  buffer.clear();
}

void OutputFile::sync() {
  flush();
  // Devices and pipes cannot be synced, and need not be.
  if (fsync(descriptor) != 0 && errno != EINVAL && errno != EROFS)
    throwSystemError(path, "cannot write", errno);
}

int openNewFile(const std::string &path) {
  // The system gives a lock back when its holder ends, however it ends.
  auto isOurs = [](int descriptor) {
    struct stat status;
    return fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) &&
           flock(descriptor, LOCK_EX | LOCK_NB) == 0;
  };
  int old = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (old < 0 && errno != ENOENT)
    return -1;
  if (old >= 0) {
    const bool leftOver = isOurs(old);
    if (leftOver)
      unlink(path.c_str());
    close(old);
    if (!leftOver) {
      errno = EBUSY;
      return -1;
    }
  }
  int descriptor =
      open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor >= 0)
    flock(descriptor, LOCK_EX | LOCK_NB); // some networks have no locks
  return descriptor;
}

/// A rename would replace a device or a folder's name, /dev/null among them.
static std::string partialOf(const std::string &path) {
  struct stat status;
  if (stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode))
    throw Error::inFile(path, "cannot write: not a regular file",
                        "name another file");
  return path + ".partial";
}

AtomicFile::AtomicFile(const std::string &path)
    : path(path), file(partialOf(path), OutputFile::Mode::New) {}

AtomicFile::~AtomicFile() {
  if (!committed)
    unlink((path + ".partial").c_str());
}

void AtomicFile::commit() {
  file.sync();
  if (std::rename((path + ".partial").c_str(), path.c_str()) != 0)
    throwSystemError(path, "cannot write", errno);
  committed = true;
  syncDirectory(std::filesystem::path(path).parent_path());
}

void writeFile(const std::string &path, const std::string &text) {
  AtomicFile file(path);
  file.stream().write(text);
  file.commit();
}

void syncDirectory(const std::string &path) {
  int descriptor = open(path.empty() ? "." : path.c_str(),
                        O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0)
    throwSystemError(path, "cannot write", errno);
  int failure = fsync(descriptor) != 0 && errno != EINVAL ? errno : 0;
  close(descriptor);
  if (failure)
    throwSystemError(path, "cannot write", failure);
}

} // namespace fp8c::runtime
