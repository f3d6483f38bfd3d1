//===- Checksum.h - XXH3 of files and buffers -------------------*- C++ -*-===//
//
// Checksums notice damage, not malice: XXH3 (64 bits) is no cryptographic hash.
// It runs faster than memory is read, so that checking a file costs little more
// than loading it.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_RUNTIME_CORE_CHECKSUM_H
#define FP8C_RUNTIME_CORE_CHECKSUM_H

#include <cstdint>
#include <memory>
#include <string>

namespace fp8c::runtime {

/// XXH3 over bytes that come in pieces; any division gives the same result.
class Checksum {
public:
  Checksum();
  ~Checksum();
  Checksum(Checksum &&) noexcept;
  Checksum &operator=(Checksum &&) noexcept;

  void update(const void *data, uint64_t bytes);

  /// "xxh3:" and 16 hexadecimal digits, as files store it.
  std::string text() const;

private:
  struct State;
  std::unique_ptr<State> state;
};

/// The checksum of one buffer, as Checksum::text() gives it.
std::string checksumOf(const void *data, uint64_t bytes);

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_CHECKSUM_H
