//===- AtomicFile.h - A file that appears whole or not at all ---*- C++ -*-===//

#ifndef FP8C_MODELS_ATOMICFILE_H
#define FP8C_MODELS_ATOMICFILE_H

#include <string>

namespace fp8c {

/// A new file beside `path`; commit() puts it in `path`'s place, and without
/// commit it is gone again. Errors are sentences: "cannot write 'x.onnx': No
/// space left on device".
class AtomicFile {
public:
  explicit AtomicFile(std::string path);
  ~AtomicFile();
  AtomicFile(const AtomicFile &) = delete;
  AtomicFile &operator=(const AtomicFile &) = delete;

  /// False, and `error` set, where no file can be made there.
  bool open(std::string &error);
  int descriptor() const { return fd; }

  /// Closes the file and renames it.
  bool commit(std::string &error);

  /// Removes the new file, for a process that is about to end. From any thread.
  void discard() const;

  /// "cannot write 'path': " and what errno `code` means.
  std::string describe(int code) const;

private:
  std::string path, temporary;
  int fd = -1;
};

} // namespace fp8c

#endif // FP8C_MODELS_ATOMICFILE_H
