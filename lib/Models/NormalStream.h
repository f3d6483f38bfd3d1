//===- NormalStream.h - Counter-based normal numbers ------------*- C++ -*-===//
//
// The numbers that first weights are drawn from. Element i of a stream depends
// on the stream's key and on i alone, so a tensor can be drawn in any order and
// a layer keeps its weights when layers are added after it.
//
//   key  = mix(fnv1a(name) ^ mix(seed))
//   bits = mix(key + (i/2 + 1) * 0x9E3779B97F4A7C15)     mix: SplitMix64's
//   u    = (bits >> 24 + 1) / 2^40        in (0, 1]
//   v    = (bits mod 2^24) / 2^24         in [0, 1)
//   z    = sqrt(-2 ln u) * (cos 2πv for even i, sin 2πv for odd i)
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_MODELS_NORMALSTREAM_H
#define FP8C_MODELS_NORMALSTREAM_H

#include <cstddef>
#include <cstdint>
#include <string>

namespace fp8c {

class NormalStream {
public:
  NormalStream(const std::string &name, uint64_t seed);

  /// Writes elements [2 firstPair, 2 firstPair + count) of the stream, times
  /// `stddev`, to `out`.
  void draw(uint64_t firstPair, float stddev, float *out, size_t count) const;

  /// The stream's identity as a seed that a float holds exactly (24 bits): what
  /// ONNX's RandomNormal takes.
  float shortSeed() const { return float(key >> 40); }

private:
  uint64_t key;
};

} // namespace fp8c

#endif // FP8C_MODELS_NORMALSTREAM_H
