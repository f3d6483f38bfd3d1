//===- ModelOptions.h - The language models that fp8c writes ----*- C++ -*-===//
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
  GPT2,  ///< LayerNorm, learned positions, GELU, biases, tied head.
  GPT3,  ///< GPT-2 at GPT-3's sizes; every layer's attention is dense here.
  Llama, ///< RMSNorm, rotary positions, SwiGLU, grouped queries, untied head.
  Qwen,  ///< Qwen3's dense models (arXiv 2505.09388): Llama with RMSNorm on
        ///< every query and key head, heads of any width, θ = 10^6, ε = 10^-6.
};

/// "gpt2", "gpt3", "llama" or "qwen".
const char *toString(ModelFamily family);
std::optional<ModelFamily> parseModelFamily(const std::string &name);

/// What a layer does to each token by itself.
enum class MLP {
  GELU,   ///< W2 gelu(W1 x)
  SwiGLU, ///< W3 (silu(W1 x) · W2 x), arXiv 2002.05202.
};

/// "gelu" or "swiglu".
const char *toString(MLP mlp);

/// Where the parameters' first values stand.
enum class WeightStorage {
  Auto,   ///< In the file where it stays below `maxWeightBytes`, else AsNodes.
  Stored, ///< Drawn now, as f32: in the file up to `maxWeightBytes`, else
          ///< External.
  External, ///< In a file beside the model's, as ONNX external data.
  AsNodes,  ///< Nodes that draw them (RandomNormal, ConstantOfShape).
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
  int64_t kvHeads = 0; ///< 0: `heads`. Fewer (grouped queries) where !isGPT().
  int64_t headWidth = 0; ///< 0: dModel / heads. Any other where !isGPT().
  int64_t ffn = 0; ///< 0: 4 dModel; SwiGLU: the multiple of 64 nearest 8/3
                   ///< dModel, which is as many parameters.
  int64_t vocab = 50257;
  int64_t seq = 1024;       ///< Tokens per sequence, fixed in the graph.
  std::optional<MLP> mlp;   ///< None: GELU in GPT. The others have SwiGLU only.
  std::optional<bool> tied; ///< The head is the embedding. None: in GPT.
  WeightStorage weights = WeightStorage::Auto;
  uint64_t seed = 0; ///< Of the first weights.

  /// LayerNorm, learned positions and biases: all that is not like Llama.
  bool isGPT() const {
    return family == ModelFamily::GPT2 || family == ModelFamily::GPT3;
  }
  MLP mlpKind() const {
    return mlp.value_or(isGPT() ? MLP::GELU : MLP::SwiGLU);
  }
  bool isTied() const { return tied.value_or(isGPT()); }
  int64_t keyValueHeads() const { return kvHeads ? kvHeads : heads; }
  int64_t headDim() const { return headWidth ? headWidth : dModel / heads; }
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
