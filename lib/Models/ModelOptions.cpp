//===- ModelOptions.cpp - The language models that fp8c writes ------------===//

#include "Models/ModelOptions.h"

#include <algorithm>

namespace fp8c {

const char *toString(ModelFamily family) {
  switch (family) {
  case ModelFamily::GPT2:
    return "gpt2";
  case ModelFamily::GPT3:
    return "gpt3";
  case ModelFamily::Llama:
    return "llama";
  case ModelFamily::Qwen:
    return "qwen";
  }
  return "?";
}

const char *toString(MLP mlp) { return mlp == MLP::GELU ? "gelu" : "swiglu"; }

std::optional<ModelFamily> parseModelFamily(const std::string &name) {
  for (auto family : {ModelFamily::GPT2, ModelFamily::GPT3, ModelFamily::Llama,
                      ModelFamily::Qwen})
    if (name == toString(family))
      return family;
  return std::nullopt;
}

int64_t ModelOptions::ffnWidth() const {
  if (ffn)
    return ffn;
  if (mlpKind() == MLP::GELU)
    return 4 * dModel;
  // SwiGLU has three matrices where GELU has two, so 2/3 of 4 d keeps the
  // parameters equal; multiples of 64 suit the GEMMs.
  int64_t wanted = (8 * dModel + 1) / 3;
  return std::max<int64_t>(64, (wanted + 32) / 64 * 64);
}

const std::vector<ModelSize> &modelSizes() {
  auto size = [](const char *name, ModelFamily family, int64_t layers,
                 int64_t dModel, int64_t heads, int64_t vocab, int64_t seq,
                 int64_t kvHeads = 0, int64_t ffn = 0) {
    ModelOptions options;
    options.family = family;
    options.layers = layers;
    options.dModel = dModel;
    options.heads = heads;
    options.kvHeads = kvHeads;
    options.ffn = ffn;
    options.vocab = vocab;
    options.seq = seq;
    return ModelSize{name, options};
  };
  auto qwen = [&](const char *name, int64_t layers, int64_t dModel,
                  int64_t heads, int64_t ffn, bool tied) {
    ModelSize made = size(name, ModelFamily::Qwen, layers, dModel, heads,
                          151936, 4096, /*kvHeads=*/8, ffn);
    made.options.headWidth = 128;
    made.options.tied = tied;
    return made;
  };
  // GPT-3's table gives the 13b model a width of 5140, which its 40 heads of
  // 128 contradict: 5120.
  static const std::vector<ModelSize> sizes = {
      //     family            layers width heads vocab  seq   kv ffn
      size("124m", ModelFamily::GPT2, 12, 768, 12, 50257, 1024),
      size("355m", ModelFamily::GPT2, 24, 1024, 16, 50257, 1024),
      size("774m", ModelFamily::GPT2, 36, 1280, 20, 50257, 1024),
      size("1558m", ModelFamily::GPT2, 48, 1600, 25, 50257, 1024),
      size("6.7b", ModelFamily::GPT3, 32, 4096, 32, 50257, 2048),
      size("13b", ModelFamily::GPT3, 40, 5120, 40, 50257, 2048),
      size("175b", ModelFamily::GPT3, 96, 12288, 96, 50257, 2048),
      size("134m", ModelFamily::Llama, 12, 768, 12, 32000, 1024),
      size("1.1b", ModelFamily::Llama, 22, 2048, 32, 32000, 2048, 4, 5632),
      size("7b", ModelFamily::Llama, 32, 4096, 32, 32000, 2048, 32, 11008),
      //   layers width heads ffn tied
      qwen("0.6b", 28, 1024, 16, 3072, true),
      qwen("1.7b", 28, 2048, 16, 6144, true),
      qwen("4b", 36, 2560, 32, 9728, true),
      qwen("8b", 36, 4096, 32, 12288, false),
      qwen("14b", 40, 5120, 40, 17408, false),
      qwen("32b", 64, 5120, 64, 25600, false),
  };
  return sizes;
}

std::optional<ModelOptions> findModelSize(ModelFamily family,
                                          const std::string &name) {
  for (const ModelSize &size : modelSizes())
    if (size.options.family == family && (name.empty() || name == size.name))
      return size.options;
  return std::nullopt;
}

/// "layers is 0: it must be between 1 and 4096", or nothing. The limits keep
/// every product of sizes far inside 64 bits.
static std::string checkRange(const char *what, int64_t value, int64_t limit) {
  if (value >= 1 && value <= limit)
    return "";
  return std::string(what) + " is " + std::to_string(value) +
         ": it must be between 1 and " + std::to_string(limit);
}

std::string checkModelOptions(const ModelOptions &o) {
  constexpr int64_t maxWidth = 1 << 20, maxLength = 1 << 24;
  for (const std::string &error : {checkRange("layers", o.layers, 4096),
                                   checkRange("width", o.dModel, maxWidth),
                                   checkRange("heads", o.heads, maxWidth),
                                   checkRange("vocab", o.vocab, maxLength),
                                   checkRange("seq", o.seq, maxLength)})
    if (!error.empty())
      return error;

  if (!o.headWidth && o.dModel % o.heads)
    return "width " + std::to_string(o.dModel) + " is not a multiple of " +
           std::to_string(o.heads) + " heads";
  for (const std::string &error :
       {checkRange("head-dim", o.headDim(), maxWidth / o.heads),
        checkRange("kv-heads", o.keyValueHeads(), o.heads),
        checkRange("ffn", o.ffnWidth(), maxWidth)})
    if (!error.empty())
      return error;

  std::string family = toString(o.family);
  if (o.isGPT()) {
    if (o.keyValueHeads() != o.heads)
      return family + " has one key-value head per head: kv-heads is for llama "
                      "and qwen";
    if (o.headDim() * o.heads != o.dModel)
      return family + " divides its width among its heads: head-dim is for "
                      "llama and qwen";
    return "";
  }
  if (o.mlpKind() == MLP::GELU)
    return family + " has no gelu: its MLP is swiglu";
  if (o.heads % o.keyValueHeads())
    return std::to_string(o.heads) + " heads are not a multiple of " +
           std::to_string(o.keyValueHeads()) + " kv-heads";
  if (o.headDim() % 2)
    return "rotary positions rotate pairs, but a head of width " +
           (o.headWidth ? ""
                        : std::to_string(o.dModel) + " / " +
                              std::to_string(o.heads) + " = ") +
           std::to_string(o.headDim()) + " is odd";
  // The tables stand in the file beside the weights.
  constexpr int64_t maxTableBytes = int64_t(128) << 20;
  if (o.seq * o.headDim() * 4 > maxTableBytes)
    return "seq " + std::to_string(o.seq) + " with heads of width " +
           std::to_string(o.headDim()) +
           " needs rotary tables of more than 128 MiB";
  return "";
}

int64_t parameterCount(const ModelOptions &o) {
  int64_t d = o.dModel, f = o.ffnWidth();
  int64_t head = o.isTied() ? 0 : o.vocab * d; // lm_head
  if (!o.isGPT()) {
    int64_t q = o.heads * o.headDim(), kv = o.keyValueHeads() * o.headDim();
    int64_t layer = 2 * d                    // ln_1, ln_2
                    + 2 * d * q + 2 * d * kv // q, proj; k, v
                    + 3 * d * f;             // gate, up, down
    if (o.family == ModelFamily::Qwen)
      layer += 2 * o.headDim();                       // q_norm, k_norm
    return o.layers * layer + d + o.vocab * d + head; // ln_f; wte
  }
  int64_t into = o.mlpKind() == MLP::SwiGLU ? 2 : 1;  // gate, up; fc
  int64_t layer = 4 * d                               // ln_1, ln_2
                  + 3 * d * (d + 1)                   // qkv
                  + d * (d + 1)                       // attn/proj
                  + into * f * (d + 1) + d * (f + 1); // mlp
  return o.layers * layer + 2 * d + (o.vocab + o.seq) * d + head;
}

} // namespace fp8c
