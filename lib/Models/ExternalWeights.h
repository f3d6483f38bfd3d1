//===- ExternalWeights.h - Weights in a file beside the model ---*- C++ -*-===//
//
// ONNX external data: the model names a file of its own folder, and of each
// tensor offset and length. Ours begins with a page that says who wrote it, so
// that it may be replaced; every tensor begins a page, as ONNX recommends for
// files that are mapped.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_MODELS_EXTERNALWEIGHTS_H
#define FP8C_MODELS_EXTERNALWEIGHTS_H

#include "Models/GraphBuilder.h"

namespace fp8c {

/// The place of the model's weights: "gpt2.onnx.data" for "gpt2.onnx".
inline std::string externalWeightsPath(const std::string &model) {
  return model + ".data";
}

/// What forbids writing external data for the model at `path`, as a sentence: a
/// name that no model may use, or a file there that fp8c did not write. Empty
/// if nothing does; `isReplaced` tells whether one that it wrote is there.
std::string checkExternalWeights(const std::string &path, bool &isReplaced);

/// Gives every parameter of the graph an initializer without elements that
/// says where in `location` they stand. Returns the bytes of that file.
uint64_t addExternalInitializers(GraphBuilder &builder,
                                 const std::string &location);

/// Writes that file, of `bytes`, with weights drawn by `seed`. 0, or the errno
/// of what failed; a disk without room fails at once where the file system can
/// tell.
int writeExternalWeights(const std::vector<Parameter> &parameters,
                         uint64_t seed, uint64_t bytes, int descriptor);

} // namespace fp8c

#endif // FP8C_MODELS_EXTERNALWEIGHTS_H
