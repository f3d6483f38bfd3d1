//===- FirstWeights.h - Draws parameters while writing them -----*- C++ -*-===//

#ifndef FP8C_MODELS_FIRSTWEIGHTS_H
#define FP8C_MODELS_FIRSTWEIGHTS_H

#include "Models/GraphBuilder.h"

#include <google/protobuf/io/coded_stream.h>

namespace fp8c {

/// The bytes that writeFirstWeights() writes.
inline uint64_t weightBytes(const Parameter &parameter) {
  return parameter.elements() * sizeof(float);
}

/// Writes the parameter's first elements, f32, a megabyte at a time. Stops
/// where the stream fails.
void writeFirstWeights(const Parameter &parameter, uint64_t seed,
                       google::protobuf::io::CodedOutputStream &out);

} // namespace fp8c

#endif // FP8C_MODELS_FIRSTWEIGHTS_H
