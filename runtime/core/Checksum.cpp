//===- Checksum.cpp - XXH3 of files and buffers ---------------------------===//

#include "core/Checksum.h"

// Compiled in: fp8c-run is copied to machines that have no libxxhash.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cinttypes>
#include <cstdio>

namespace fp8c::runtime {

struct Checksum::State {
  XXH3_state_t xxh3;
};

static std::string textOf(XXH64_hash_t hash) {
  char text[32];
  std::snprintf(text, sizeof text, "xxh3:%016" PRIx64, uint64_t(hash));
  return text;
}

Checksum::Checksum() : state(std::make_unique<State>()) {
  XXH3_64bits_reset(&state->xxh3);
}
Checksum::~Checksum() = default;
Checksum::Checksum(Checksum &&) noexcept = default;
Checksum &Checksum::operator=(Checksum &&) noexcept = default;

void Checksum::update(const void *data, uint64_t bytes) {
  XXH3_64bits_update(&state->xxh3, data, bytes);
}

std::string Checksum::text() const {
  return textOf(XXH3_64bits_digest(&state->xxh3));
}

std::string checksumOf(const void *data, uint64_t bytes) {
  return textOf(XXH3_64bits(data, bytes));
}

} // namespace fp8c::runtime
