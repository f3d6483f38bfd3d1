//===- Random.cpp - Counter-based random numbers --------------------------===//

#include "core/Random.h"

#include <cmath>

namespace fp8c::runtime {
namespace {

constexpr double twoToMinus53 = 0x1p-53;
constexpr double twoPi = 6.283185307179586476925286766559;

/// The finaliser of SplitMix64: every input bit reaches every output bit.
uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

/// FNV-1a.
uint64_t hash(std::string_view text) {
  uint64_t value = 0xcbf29ce484222325;
  for (unsigned char character : text)
    value = (value ^ character) * 0x100000001b3;
  return value;
}

} // namespace

PhiloxCounter philox4x32(PhiloxCounter counter, PhiloxKey key) {
  for (int round = 0; round < 10; ++round) {
    uint64_t first = uint64_t(0xd2511f53) * counter[0];
    uint64_t second = uint64_t(0xcd9e8d57) * counter[2];
    counter = {static_cast<uint32_t>(second >> 32) ^ counter[1] ^ key[0],
               static_cast<uint32_t>(second),
               static_cast<uint32_t>(first >> 32) ^ counter[3] ^ key[1],
               static_cast<uint32_t>(first)};
    key[0] += 0x9e3779b9;
    key[1] += 0xbb67ae85;
  }
  return counter;
}

RandomStream::RandomStream(uint64_t seed, std::string_view name) {
  uint64_t mixed = mix(mix(seed) ^ hash(name));
  key = {static_cast<uint32_t>(mixed), static_cast<uint32_t>(mixed >> 32)};
}

std::array<uint64_t, 2> RandomStream::bits(uint64_t counter, uint32_t b,
                                           uint32_t c) const {
  PhiloxCounter out = philox4x32({static_cast<uint32_t>(counter),
                                  static_cast<uint32_t>(counter >> 32), b, c},
                                 key);
  return {out[0] | uint64_t(out[1]) << 32, out[2] | uint64_t(out[3]) << 32};
}

double RandomStream::uniform(uint64_t counter) const {
  return static_cast<double>(bits(counter)[0] >> 11) * twoToMinus53;
}

uint64_t RandomStream::below(uint64_t bound, uint64_t counter, uint32_t b,
                             uint32_t c) const {
  // The high half of a 64x64-bit product: biased by less than bound/2^64.
  __extension__ using Wide = unsigned __int128;
  return static_cast<uint64_t>(Wide(bits(counter, b, c)[0]) * bound >> 64);
}

std::array<double, 2> RandomStream::normals(uint64_t counter) const {
  std::array<uint64_t, 2> random = bits(counter);
  // In (0, 1], so that the logarithm is finite.
  double u = static_cast<double>((random[0] >> 11) + 1) * twoToMinus53;
  double angle = static_cast<double>(random[1] >> 11) * (twoPi * twoToMinus53);
  double radius = std::sqrt(-2.0 * std::log(u));
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

} // namespace fp8c::runtime
