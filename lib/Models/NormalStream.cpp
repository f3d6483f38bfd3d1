//===- NormalStream.cpp - Counter-based normal numbers --------------------===//

#include "Models/NormalStream.h"

#include <cmath>

namespace fp8c {

/// SplitMix64's finaliser: a bijection in which every input bit moves every
/// output bit.
static uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

NormalStream::NormalStream(const std::string &name, uint64_t seed) {
  uint64_t hash = 0xCBF29CE484222325u; // FNV-1a
  for (unsigned char c : name)
    hash = (hash ^ c) * 0x100000001B3u;
  key = mix(hash ^ mix(seed));
}

void NormalStream::draw(uint64_t firstPair, float stddev, float *out,
                        size_t count) const {
  constexpr float tau = 6.2831853071795865f;
  for (size_t i = 0; i < count; i += 2) {
    uint64_t bits = mix(key + (firstPair + i / 2 + 1) * 0x9E3779B97F4A7C15u);
    float u = float((bits >> 24) + 1) * 0x1p-40f;
    float v = float(bits & 0xFFFFFF) * 0x1p-24f;
    float radius = stddev * std::sqrt(-2.0f * std::log(u));
    out[i] = radius * std::cos(tau * v);
    if (i + 1 < count)
      out[i + 1] = radius * std::sin(tau * v);
  }
}

} // namespace fp8c
