//===- ModelOptionsTest.cpp - Sizes, counts and refused options -----------===//

#include "Models/ModelOptions.h"

#include <gtest/gtest.h>
#include <map>

using namespace fp8c;

namespace {

TEST(ModelSizes, HaveThePublishedParameterCounts) {
  std::map<std::string, int64_t> counts;
  for (const ModelSize &size : modelSizes())
    counts[std::string(toString(size.options.family)) + " " + size.name] =
        parameterCount(size.options);
  EXPECT_EQ(counts, (std::map<std::string, int64_t>{
                        {"gpt2 124m", 124439808},
                        {"gpt2 355m", 354823168},
                        {"gpt2 774m", 774030080},
                        {"gpt2 1558m", 1557611200},
                        {"gpt3 6.7b", 6658404352},
                        {"gpt3 13b", 12853386240},
                        {"gpt3 175b", 174604259328},
                        {"llama 134m", 134105856},
                        {"llama 1.1b", 1100048384},
                        {"llama 7b", 6738415616},
                        {"qwen 0.6b", 596049920},
                        {"qwen 1.7b", 1720574976},
                        {"qwen 4b", 4022468096},
                        {"qwen 8b", 8190735360},
                        {"qwen 14b", 14768307200},
                        {"qwen 32b", 32762123264},
                    }));
}

TEST(ModelSizes, AreAllValid) {
  for (const ModelSize &size : modelSizes())
    EXPECT_EQ(checkModelOptions(size.options), "") << size.name;
}

TEST(ModelSizes, AreFoundByFamilyAndName) {
  EXPECT_EQ(findModelSize(ModelFamily::GPT3, "175b")->layers, 96);
  EXPECT_EQ(findModelSize(ModelFamily::GPT2)->dModel, 768);
  EXPECT_FALSE(findModelSize(ModelFamily::GPT2, "175b"));
  for (ModelFamily family : {ModelFamily::GPT2, ModelFamily::GPT3,
                             ModelFamily::Llama, ModelFamily::Qwen})
    EXPECT_EQ(parseModelFamily(toString(family)), family);
  EXPECT_FALSE(parseModelFamily("bert"));
}

TEST(ModelOptions, DeriveTheWidthOfTheMLP) {
  ModelOptions options;
  options.dModel = 100;
  EXPECT_EQ(options.ffnWidth(), 400);
  options.mlp = MLP::SwiGLU;
  EXPECT_EQ(options.ffnWidth(), 256); // 266.7
  options.mlp = {};
  options.family = ModelFamily::Llama;
  EXPECT_EQ(options.ffnWidth(), 256);
  options.dModel = 768;
  EXPECT_EQ(options.ffnWidth(), 2048);
  options.dModel = 8;
  EXPECT_EQ(options.ffnWidth(), 64);
  options.ffn = 100;
  EXPECT_EQ(options.ffnWidth(), 100);
}

TEST(ModelOptions, SwiGLUHasAsManyParameters) {
  for (const ModelSize &size : modelSizes()) {
    if (!size.options.isGPT())
      continue;
    ModelOptions options = size.options;
    options.mlp = MLP::SwiGLU;
    double ratio =
        double(parameterCount(options)) / parameterCount(size.options);
    EXPECT_NEAR(ratio, 1, 0.01) << size.name;
  }
}

TEST(ModelOptions, CountAHeadThatIsTiedOnce) {
  for (const ModelSize &size : modelSizes()) {
    ModelOptions tied = size.options, untied = size.options;
    tied.tied = true;
    untied.tied = false;
    EXPECT_EQ(parameterCount(untied) - parameterCount(tied),
              tied.vocab * tied.dModel);
    EXPECT_EQ(parameterCount(size.options),
              parameterCount(size.options.isTied() ? tied : untied));
  }
}

/// What checkModelOptions says of the family's default with `change` applied.
template <typename Change>
std::string errorOf(ModelFamily family, Change change) {
  ModelOptions options = *findModelSize(family);
  change(options);
  return checkModelOptions(options);
}

TEST(ModelOptions, AreRefusedWithAReason) {
  EXPECT_EQ(errorOf(ModelFamily::GPT2,
                    [](ModelOptions &o) { o.dModel = 100, o.heads = 3; }),
            "width 100 is not a multiple of 3 heads");
  EXPECT_EQ(errorOf(ModelFamily::GPT2, [](ModelOptions &o) { o.layers = 0; }),
            "layers is 0: it must be between 1 and 4096");
  EXPECT_EQ(errorOf(ModelFamily::GPT2, [](ModelOptions &o) { o.seq = -1; }),
            "seq is -1: it must be between 1 and 16777216");
  EXPECT_EQ(errorOf(ModelFamily::GPT2,
                    [](ModelOptions &o) { o.vocab = int64_t(1) << 62; }),
            "vocab is 4611686018427387904: it must be between 1 and 16777216");
  EXPECT_EQ(errorOf(ModelFamily::GPT2, [](ModelOptions &o) { o.heads = 0; }),
            "heads is 0: it must be between 1 and 1048576");
  EXPECT_EQ(errorOf(ModelFamily::GPT2, [](ModelOptions &o) { o.ffn = -4; }),
            "ffn is -4: it must be between 1 and 1048576");
  EXPECT_EQ(errorOf(ModelFamily::GPT3, [](ModelOptions &o) { o.kvHeads = 4; }),
            "gpt3 has one key-value head per head: kv-heads is for llama "
            "and qwen");
  EXPECT_EQ(
      errorOf(ModelFamily::GPT2, [](ModelOptions &o) { o.headWidth = 32; }),
      "gpt2 divides its width among its heads: head-dim is for llama and "
      "qwen");
  EXPECT_EQ(
      errorOf(ModelFamily::Qwen, [](ModelOptions &o) { o.mlp = MLP::GELU; }),
      "qwen has no gelu: its MLP is swiglu");
  EXPECT_EQ(errorOf(ModelFamily::Qwen,
                    [](ModelOptions &o) { o.headWidth = 1 << 17; }),
            "head-dim is 131072: it must be between 1 and 65536");
  EXPECT_EQ(
      errorOf(ModelFamily::Qwen, [](ModelOptions &o) { o.headWidth = 7; }),
      "rotary positions rotate pairs, but a head of width 7 is odd");
  EXPECT_EQ(errorOf(ModelFamily::Llama, [](ModelOptions &o) { o.kvHeads = 5; }),
            "12 heads are not a multiple of 5 kv-heads");
  EXPECT_EQ(
      errorOf(ModelFamily::Llama, [](ModelOptions &o) { o.kvHeads = 24; }),
      "kv-heads is 24: it must be between 1 and 12");
  EXPECT_EQ(errorOf(ModelFamily::Llama,
                    [](ModelOptions &o) { o.dModel = 36, o.heads = 12; }),
            "rotary positions rotate pairs, but a head of width 36 / 12 = 3 is "
            "odd");
  EXPECT_EQ(
      errorOf(ModelFamily::Llama, [](ModelOptions &o) { o.seq = 1 << 20; }),
      "seq 1048576 with heads of width 64 needs rotary tables of more "
      "than 128 MiB");
}

} // namespace
