//===- FirstWeights.cpp - Draws parameters while writing them -------------===//

#include "Models/FirstWeights.h"

#include "Models/NormalStream.h"

#include <algorithm>

namespace fp8c {

void writeFirstWeights(const Parameter &parameter, uint64_t seed,
                       google::protobuf::io::CodedOutputStream &out) {
  NormalStream stream(parameter.name, seed);
  uint64_t elements = parameter.elements();
  std::vector<float> chunk(std::min<uint64_t>(elements, 1 << 18));
  for (uint64_t at = 0; at < elements && !out.HadError(); at += chunk.size()) {
    size_t count = std::min<uint64_t>(chunk.size(), elements - at);
    if (parameter.init.stddev > 0)
      stream.draw(at / 2, parameter.init.stddev, chunk.data(), count);
    else
      std::fill_n(chunk.begin(), count, parameter.init.value);
    out.WriteRaw(chunk.data(), int(count * sizeof(float)));
  }
}

} // namespace fp8c
