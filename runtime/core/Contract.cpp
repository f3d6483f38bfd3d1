//===- Contract.cpp - What ties a manifest to its code and runs -----------===//

#include "core/Contract.h"

#include <array>
#include <sha2.h> // of libmd

namespace fp8c::runtime {

std::string sha256(const std::string &text) {
  std::array<char, SHA256_DIGEST_STRING_LENGTH> digits;
  SHA256Data(reinterpret_cast<const uint8_t *>(text.data()), text.size(),
             digits.data());
  return digits.data();
}

std::string fingerprintOf(const OrderedJson &manifest) {
  OrderedJson identity;
  for (const char *key : {"recipe", "variables", "functions"})
    if (manifest.contains(key))
      identity[key] = manifest[key];
  return sha256(jsonText(identity));
}

std::string contractOf(const OrderedJson &manifest) {
  std::string text;
  for (const char *key :
       {"variables_bytes", "arena_bytes", "hyper", "fingerprint"})
    if (manifest.contains(key))
      text += key + (" " + jsonText(manifest[key])) + "\n";
  return text;
}

} // namespace fp8c::runtime
