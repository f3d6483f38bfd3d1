//===- TokenFile.h - Training data: a long row of tokens --------*- C++ -*-===//

#ifndef FP8C_RUNTIME_CORE_TOKENFILE_H
#define FP8C_RUNTIME_CORE_TOKENFILE_H

#include "core/MappedFile.h"

namespace fp8c::runtime {

/// Little-endian uint16 tokens in one of two layouts, told apart by content:
/// nanoGPT's (nothing but tokens) and llm.c's (a header of 256 int32: magic
/// 20240520, version 1, number of tokens).
class TokenFile {
public:
  /// Maps the file. Throws Error if it is empty or in neither layout.
  explicit TokenFile(const std::string &path);

  const std::string &path() const { return file.path(); }
  uint64_t size() const { return count; } ///< tokens
  const char *layout() const;             ///< for people

  uint16_t operator[](uint64_t position) const { return tokens[position]; }

  /// A checksum of the number of tokens and of 64 blocks, spread over the file,
  /// that tells other data in no time.
  std::string sampledChecksum() const;

  /// Reads the whole file. Throws Error with the position of the first token
  /// that is not below `vocab`.
  void checkVocabulary(int64_t vocab) const;

  /// Copies `length` tokens from `position` on. Throws Error as above: the
  /// file may have been changed since it was checked.
  void copy(uint64_t position, uint64_t length, int64_t vocab,
            int64_t *destination) const;

private:
  /// Reports the first token from `from` on that is not below `vocab`.
  [[noreturn]] void throwOutside(uint64_t from, int64_t vocab) const;

  MappedFile file;
  const uint16_t *tokens = nullptr;
  uint64_t count = 0;
  bool hasHeader = false;
};

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_TOKENFILE_H
