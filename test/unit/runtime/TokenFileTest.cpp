//===- TokenFileTest.cpp --------------------------------------------------===//

#include "core/TokenFile.h"

#include "TestFiles.h"

using namespace fp8c::runtime;

namespace {

std::string llmc(int32_t magic, int32_t version, int32_t count,
                 const std::vector<uint16_t> &tokens) {
  int32_t header[256] = {magic, version, count};
  return std::string(reinterpret_cast<const char *>(header), sizeof(header)) +
         std::string(reinterpret_cast<const char *>(tokens.data()),
                     tokens.size() * 2);
}

} // namespace

TEST(TokenFile, Headerless) {
  TestFolder folder;
  TokenFile file(folder.write("t", std::vector<uint16_t>{5, 6, 65535}));
  EXPECT_EQ(file.size(), 3u);
  EXPECT_EQ(file[2], 65535);
}

TEST(TokenFile, LlmcHeader) {
  TestFolder folder;
  TokenFile file(folder.write("t", llmc(20240520, 1, 3, {7, 8, 9})));
  EXPECT_EQ(file.size(), 3u);
  EXPECT_EQ(file[0], 7);
  EXPECT_STREQ(file.layout(), "llm.c header");
}

TEST(TokenFile, RefusesWhatItIsNot) {
  TestFolder folder;
  auto open = [&](const std::string &bytes) {
    TokenFile file(folder.write("t", bytes));
  };
  EXPECT_ERROR("has no tokens", open(""));
  EXPECT_ERROR("odd number of bytes", open("abc"));
  EXPECT_ERROR("header says 4 tokens, it has 3",
               open(llmc(20240520, 1, 4, {7, 8, 9})));
  EXPECT_ERROR("has no tokens", open(llmc(20240520, 1, 0, {})));
  EXPECT_ERROR("32-bit tokens", open(llmc(20240801, 7, 1, {7, 0})));
  EXPECT_ERROR("cannot read: No such file", TokenFile(folder / "none"));
  EXPECT_ERROR("not a regular file", TokenFile(folder / "."));
}

TEST(TokenFile, FindsTokensOutsideTheVocabulary) {
  TestFolder folder;
  std::vector<uint16_t> tokens(3000000, 255);
  TokenFile good(folder.write("good", tokens));
  EXPECT_NO_THROW(good.checkVocabulary(256));
  tokens[2500000] = 256;
  TokenFile bad(folder.write("bad", tokens));
  EXPECT_ERROR("token 256 at position 2,500,000 is outside the model's "
               "vocabulary of 256",
               bad.checkVocabulary(256));
  int64_t copy[10];
  EXPECT_NO_THROW(bad.copy(2499990, 10, 256, copy));
  EXPECT_ERROR("position 2,500,000", bad.copy(2499991, 10, 256, copy));
}
