//===- ModelOptions.h - The GPT models that fp8c writes ---------*- C++ -*-===//
//
// What a model is (its family and sizes), the published sizes by name, and how
// many parameters that makes. Nothing here writes a file: see WriteModel.h.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_MODELS_MODELOPTIONS_H
#define FP8C_MODELS_MODELOPTIONS_H

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace fp8c {

enum class ModelFamily {
  GPT2,  ///< LayerNorm, learned positions, GELU, tied head.
  GPT3,  ///< GPT-2 at GPT-3's sizes; every layer's attention is dense here.
  Llama, ///< RMSNorm, rotary positions, SwiGLU, grouped queries, untied head.
};

/// "gpt2", "gpt3" or "llama".
const char *toString(ModelFamily family);
std::optional<ModelFamily> parseModelFamily(const std::string &name);

/// How the parameters' first values stand in the file.
enum class WeightStorage {
  Auto,   ///< InFile where the file stays below `maxWeightBytes`, else AsNodes.
  InFile, ///< Drawn now and stored as f32.
  AsNodes, ///< Nodes that draw them (RandomNormal, ConstantOfShape).
};

/// Weights in one file stop here: protobuf cannot read a message of 2 GiB, and
/// the graph needs room beside them.
constexpr int64_t maxWeightBytes = int64_t(1.8 * (int64_t(1) << 30));

/// One model. A zero in a field marked "0:" means what stands there.
struct ModelOptions {
  ModelFamily family = ModelFamily::GPT2;
  int64_t layers = 12;
  int64_t dModel = 768;
  int64_t heads = 12;
  int64_t kvHeads = 0; ///< 0: `heads`. Fewer (grouped queries) in llama only.
  int64_t ffn =
      0; ///< 0: 4 dModel; llama: the multiple of 64 nearest 8/3 dModel.
  int64_t vocab = 50257;
  int64_t seq = 1024; ///< Tokens per sequence, fixed in the graph.
  WeightStorage weights = WeightStorage::Auto;
  uint64_t seed = 0; ///< Of the first weights.

  int64_t keyValueHeads() const { return kvHeads ? kvHeads : heads; }
  int64_t headDim() const { return dModel / heads; }
  int64_t ffnWidth() const;
};

/// A published size.
struct ModelSize {
  const char *name; ///< "124m"
  ModelOptions options;
};

/// Every named size, by family and then from small to large. The first of a
/// family is its default.
const std::vector<ModelSize> &modelSizes();

/// The options of the family's size `name` ("" is the family's default); none
/// where the family has no such size.
std::optional<ModelOptions> findModelSize(ModelFamily family,
                                          const std::string &name = "");

/// What is wrong with `options`, as a sentence for their author; empty when a
/// model can be built from them.
std::string checkModelOptions(const ModelOptions &options);

/// The number of trainable scalars; a tied head counts once. `options` must
/// have passed checkModelOptions.
int64_t parameterCount(const ModelOptions &options);

} // namespace fp8c

#endif // FP8C_MODELS_MODELOPTIONS_H
