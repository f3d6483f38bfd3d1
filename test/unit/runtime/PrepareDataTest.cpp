//===- PrepareDataTest.cpp ------------------------------------------------===//

#include "core/PrepareData.h"

#include "core/TokenFile.h"

#include "TestFiles.h"

using namespace fp8c::runtime;

TEST(PrepareData, SplitsAtTheEnd) {
  TestFolder folder;
  std::string text =
      folder.write("text", std::string(90, 'a') + std::string(10, 'b'));
  auto tokenizer = createByteTokenizer();
  PreparedData data = prepareData(text, *tokenizer, folder / "x");
  EXPECT_EQ(data.trainTokens, 90u);
  EXPECT_EQ(data.validationTokens, 10u);
  TokenFile train(folder / "x.train.bin"), validation(folder / "x.val.bin");
  EXPECT_EQ(train.size(), 90u);
  EXPECT_EQ(train[89], 'a');
  EXPECT_EQ(validation.size(), 10u);
  EXPECT_EQ(validation[0], 'b');
  EXPECT_EQ(readTokenizerOf(train.path())["tokenizer"], "bytes");
  EXPECT_EQ(folder.names().size(), 4u);
}

TEST(PrepareData, SplitsBetweenCharacters) {
  TestFolder folder;
  std::string text = folder.write("text", "ééé"); // half is inside the second
  auto tokenizer = createByteTokenizer();
  PreparedData data = prepareData(text, *tokenizer, folder / "x", 0.5);
  EXPECT_EQ(data.trainTokens, 4u);
  EXPECT_EQ(data.validationTokens, 2u);
}

TEST(PrepareData, WithoutValidation) {
  TestFolder folder;
  std::string text = folder.write("text", "abc");
  auto tokenizer = createByteTokenizer();
  PreparedData data = prepareData(text, *tokenizer, folder / "x", 0);
  EXPECT_EQ(data.trainTokens, 3u);
  EXPECT_EQ(data.validation, "");
  EXPECT_EQ(folder.names().size(), 3u);
}

TEST(PrepareData, LeavesNothingBehindWhenItFails) {
  TestFolder folder;
  auto tokenizer = createByteTokenizer();
  auto prepare = [&](const std::string &text, double share) {
    prepareData(folder.write("text", text), *tokenizer, folder / "x", share);
  };
  EXPECT_ERROR("the text is empty", prepare("", 0.1));
  EXPECT_ERROR("too short to be split", prepare("a", 0.5));
  EXPECT_ERROR("validation share is 1", prepare("abc", 1));
  EXPECT_ERROR("validation share is -0.1", prepare("abc", -0.1));
  EXPECT_ERROR("cannot read: No such file",
               prepareData(folder / "none", *tokenizer, folder / "x"));
  EXPECT_ERROR("cannot write: No such file or directory",
               prepareData(folder / "text", *tokenizer, folder / "no/x"));
  EXPECT_EQ(folder.names().size(), 1u); // the text
}

TEST(PrepareData, NeedsTokensOf16Bits) {
  class Large : public Tokenizer {
    int64_t size() const override { return 65537; }
    void encode(std::string_view, const std::function<void(Token)> &) override {
    }
    std::string decode(Token) const override { return ""; }
    OrderedJson description() const override { return {}; }
  } tokenizer;
  EXPECT_ERROR("has 65,537 tokens, token files hold at most 65,536",
               prepareData("text", tokenizer, "x"));
}
