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
  EXPECT_EQ(parseModelFamily("llama"), ModelFamily::Llama);
  EXPECT_FALSE(parseModelFamily("bert"));
}

TEST(ModelOptions, DeriveTheWidthOfTheMLP) {
  ModelOptions options;
  options.dModel = 100;
  EXPECT_EQ(options.ffnWidth(), 400);
  options.family = ModelFamily::Llama;
  EXPECT_EQ(options.ffnWidth(), 256); // 266.7
  options.dModel = 768;
  EXPECT_EQ(options.ffnWidth(), 2048);
  options.dModel = 8;
  EXPECT_EQ(options.ffnWidth(), 64);
  options.ffn = 100;
  EXPECT_EQ(options.ffnWidth(), 100);
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
            "gpt3 has one key-value head per head: kv-heads is for llama");
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
