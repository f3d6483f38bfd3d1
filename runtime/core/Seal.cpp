//===- Seal.cpp - JSON files that carry their own checksum ----------------===//

#include "core/Seal.h"

#include "core/Checksum.h"

#include <cassert>

namespace fp8c::runtime {

static constexpr const char *key = "\"checksum\":";

std::string seal(const std::string &object) {
  const size_t end = object.rfind('}');
  assert(end != std::string::npos && end > 0 && "not an object");
  size_t last = object.find_last_not_of(" \n", end - 1);
  assert(object[last] != '{' && "an empty object needs no seal");
  std::string text = object.substr(0, last + 1) + ",\n";
  return text + " " + key + " \"" + checksumOf(text.data(), text.size()) +
         "\"\n}\n";
}

Seal checkSeal(const std::string &text) {
  const size_t at = text.rfind(std::string("\n ") + key);
  if (at == std::string::npos)
    return Seal::None;
  const std::string rest = text.substr(at + 1);
  return rest == std::string(" ") + key + " \"" +
                     checksumOf(text.data(), at + 1) + "\"\n}\n"
             ? Seal::Intact
             : Seal::Broken;
}

} // namespace fp8c::runtime
