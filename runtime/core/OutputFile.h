//===- OutputFile.h - Writing files so that none is half-written -*- C++ -*-==//

#ifndef FP8C_RUNTIME_CORE_OUTPUTFILE_H
#define FP8C_RUNTIME_CORE_OUTPUTFILE_H

#include <cstdint>
#include <string>
#include <vector>

namespace fp8c::runtime {

/// A file being written. Every failure, a full disk above all, throws Error.
class OutputFile {
public:
  enum class Mode {
    Create,
    Append,
    New ///< see openNewFile()
  };

  explicit OutputFile(const std::string &path, Mode mode = Mode::Create);
  ~OutputFile();
  OutputFile(const OutputFile &) = delete;
  OutputFile &operator=(const OutputFile &) = delete;

  /// Writes all of it, through a buffer.
  void write(const void *data, uint64_t bytes);
  void write(const std::string &text) { write(text.data(), text.size()); }

  /// Hands the buffer to the system: what was written survives this process.
  void flush();

  /// flush(), and onto the disk: what was written survives the machine.
  void sync();

private:
  void writeNow(const unsigned char *data, uint64_t bytes);

  std::string path;
  int descriptor;
  std::vector<unsigned char> buffer;
};

/// A file that appears under its name only when it is complete. It is written
/// to `PATH.partial` beside it; commit() puts it on the disk and renames it.
/// Without commit() the partial file is removed. A folder, a device or a pipe
/// is not replaced, nor is a partial file that another process writes.
class AtomicFile {
public:
  explicit AtomicFile(const std::string &path);
  ~AtomicFile();

  OutputFile &stream() { return file; }
  void commit();

private:
  std::string path;
  OutputFile file;
  bool committed = false;
};

/// Replaces a file by `text`, atomically.
void writeFile(const std::string &path, const std::string &text);

/// Opens `path` for writing as a file that was not there before, and holds a
/// lock on it; what a killed process left there is removed. Returns -1 and sets
/// errno if something else is there: EBUSY if another process is writing it,
/// ELOOP if it is a link.
int openNewFile(const std::string &path);

/// Makes renames and removals in a directory survive the machine.
void syncDirectory(const std::string &path);

/// "No space left on device" and the like as an Error about `path`.
[[noreturn]] void throwSystemError(const std::string &path,
                                   const std::string &action, int code);

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_OUTPUTFILE_H
