//===- Random.h - Counter-based random numbers ------------------*- C++ -*-===//
//
// Every random number of a run is a pure function of (seed, stream, counter),
// by Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2,
// 3", 2011). Nothing has to be saved for a run to be resumed, and the number of
// threads or ranks cannot change what is drawn.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_RUNTIME_CORE_RANDOM_H
#define FP8C_RUNTIME_CORE_RANDOM_H

#include <array>
#include <cstdint>
#include <string_view>

namespace fp8c::runtime {

using PhiloxCounter = std::array<uint32_t, 4>;
using PhiloxKey = std::array<uint32_t, 2>;

/// Ten rounds of Philox 4x32.
PhiloxCounter philox4x32(PhiloxCounter counter, PhiloxKey key);

/// An independent source of random numbers, addressed by counters.
class RandomStream {
public:
  /// Streams with different seeds or names are unrelated.
  RandomStream(uint64_t seed, std::string_view name);

  /// Two times 64 random bits.
  std::array<uint64_t, 2> bits(uint64_t counter, uint32_t b = 0,
                               uint32_t c = 0) const;

  /// Uniform in [0, 1).
  double uniform(uint64_t counter) const;

  /// Uniform in 0 … bound-1.
  uint64_t below(uint64_t bound, uint64_t counter, uint32_t b = 0,
                 uint32_t c = 0) const;

  /// Two independent normals (mean 0, deviation 1), by Box and Muller.
  std::array<double, 2> normals(uint64_t counter) const;

private:
  PhiloxKey key;
};

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_RANDOM_H
