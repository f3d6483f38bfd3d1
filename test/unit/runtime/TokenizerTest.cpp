//===- TokenizerTest.cpp --------------------------------------------------===//

#include "core/Tokenizer.h"

#include "TestFiles.h"

using namespace fp8c::runtime;

namespace {

/// A BPE of 256 bytes and a few merges. "Ġ" is how the files write a blank.
class SmallBpe {
public:
  SmallBpe() {
    Json encoder = Json::object();
    // Bytes in the files' alphabet: printable Latin-1 as it is, the others as
    // U+0100, U+0101, ….
    for (int byte = 0, other = 0x100; byte < 256; ++byte) {
      bool printable = (byte >= 33 && byte <= 126) ||
                       (byte >= 161 && byte <= 172) || byte >= 174;
      int codePoint = printable ? byte : other++;
      std::string name;
      if (codePoint < 0x80) {
        name = static_cast<char>(codePoint);
      } else {
        name += static_cast<char>(0xc0 | codePoint >> 6);
        name += static_cast<char>(0x80 | (codePoint & 0x3f));
      }
      encoder[name] = byte;
    }
    int next = 256;
    for (const char *name : {"ab", "bc", "abab", "Ġab", "<|endoftext|>"})
      encoder[name] = next++;
    files.write("encoder.json", encoder.dump());
    files.write("vocab.bpe", "#version: 0.2\na b\nb c\nab ab\nĠ ab\n");
  }
  std::unique_ptr<Tokenizer> make() const {
    return createGpt2Tokenizer(files / "encoder.json", files / "vocab.bpe");
  }
  TestFolder files;
};

using Tokens = std::vector<Token>;

} // namespace

TEST(ByteTokenizer, RoundTrip) {
  auto tokenizer = createByteTokenizer();
  EXPECT_EQ(tokenizer->size(), 256);
  EXPECT_EQ(tokenizer->encode("a\xff"), (Tokens{'a', 255}));
  EXPECT_EQ(tokenizer->decode(255), "\xff");
  EXPECT_EQ(tokenizer->decode(256), "");
}

TEST(Gpt2Tokenizer, MergesByRankThenFromTheLeft) {
  SmallBpe bpe;
  auto tokenizer = bpe.make();
  EXPECT_EQ(tokenizer->size(), 261);
  EXPECT_EQ(tokenizer->encode("abc"), (Tokens{256, 'c'})); // "ab" before "bc"
  EXPECT_EQ(tokenizer->encode("bc"), (Tokens{257}));
  EXPECT_EQ(tokenizer->encode("ababab"), (Tokens{258, 256}));
  EXPECT_EQ(tokenizer->encode(" ab"), (Tokens{259}));
  EXPECT_EQ(tokenizer->encode(" abab"), (Tokens{' ', 258}));
  EXPECT_EQ(tokenizer->encode("ab ab"), (Tokens{256, 259}));
  EXPECT_EQ(tokenizer->encode(""), Tokens());
}

TEST(Gpt2Tokenizer, DecodesWhatItEncoded) {
  SmallBpe bpe;
  auto tokenizer = bpe.make();
  std::string all;
  for (int i = 0; i < 256; ++i)
    all += static_cast<char>(i);
  for (const std::string &text : {all, std::string(5000, 'a') + "bc", all}) {
    std::string decoded;
    for (Token token : tokenizer->encode(text))
      decoded += tokenizer->decode(token);
    EXPECT_EQ(decoded, text);
  }
  EXPECT_EQ(tokenizer->decode(259), " ab");
  EXPECT_EQ(tokenizer->decode(-1), "");
  EXPECT_EQ(tokenizer->decode(261), "");
}

TEST(Gpt2Tokenizer, SeparatorsOnlyInPrompts) {
  SmallBpe bpe;
  auto tokenizer = bpe.make();
  EXPECT_EQ(tokenizer->encodePrompt("ab<|endoftext|>ab"),
            (Tokens{256, 260, 256}));
  EXPECT_EQ(tokenizer->encode("<|endoftext|>").size(), 13u);
  EXPECT_EQ(tokenizer->decode(260), "<|endoftext|>");
}

TEST(Gpt2Tokenizer, FilesThatDoNotBelongTogether) {
  SmallBpe bpe;
  bpe.files.write("vocab.bpe", "#version: 0.2\na b\nc c\n");
  EXPECT_ERROR("line 3: not a merge of tokens", bpe.make());
  bpe.files.write("vocab.bpe", "ab\n");
  EXPECT_ERROR("line 1: not a merge", bpe.make());
  bpe.files.write("encoder.json", R"({"a": 0, "b": 1})");
  EXPECT_ERROR("has no token for byte 0", bpe.make());
  bpe.files.write("encoder.json", R"({"a": 0, "b": 7})");
  EXPECT_ERROR("without gaps", bpe.make());
}

TEST(Tokenizer, Descriptions) {
  SmallBpe bpe;
  auto tokenizer = bpe.make();
  auto again = createTokenizer(Json(tokenizer->description()), "f");
  EXPECT_EQ(again->size(), 261);
  EXPECT_EQ(createTokenizer(Json{{"tokenizer", "bytes"}}, "f")->size(), 256);
  EXPECT_ERROR("tokenizer: unknown tokenizer \"x\" (f)",
               createTokenizer(Json{{"tokenizer", "x"}}, "f"));
  EXPECT_EQ(createTokenizer(bpe.files / ".")->size(), 261);
  EXPECT_ERROR("no such tokenizer", createTokenizer("none"));
}

TEST(Tokenizer, DescriptionBesideTheData) {
  EXPECT_EQ(tokenizerPathOf("d/x.train.bin"), "d/x.tokenizer.json");
  EXPECT_EQ(tokenizerPathOf("x.val.bin"), "x.tokenizer.json");
  EXPECT_EQ(tokenizerPathOf("x.bin"), "x.tokenizer.json");
  EXPECT_EQ(tokenizerPathOf("x"), "x.tokenizer.json");
  TestFolder folder;
  EXPECT_TRUE(readTokenizerOf(folder / "x.bin").is_null());
  folder.write("x.tokenizer.json", R"({"tokenizer": "gpt2",
    "encoder": "bpe/encoder.json", "merges": "/abs/vocab.bpe"})");
  Json description = readTokenizerOf(folder / "x.train.bin");
  EXPECT_EQ(description["encoder"], folder / "bpe/encoder.json");
  EXPECT_EQ(description["merges"], "/abs/vocab.bpe");
}

// With the real files; FP8C_GPT2_BPE names their folder.
TEST(Gpt2Tokenizer, KnownTokens) {
  const char *folder = std::getenv("FP8C_GPT2_BPE");
  if (!folder)
    GTEST_SKIP() << "FP8C_GPT2_BPE is not set";
  auto tokenizer = createTokenizer(std::string(folder));
  EXPECT_EQ(tokenizer->size(), 50257);
  EXPECT_EQ(tokenizer->encode("Hello world"), (Tokens{15496, 995}));
  EXPECT_EQ(tokenizer->encode("hello <|endoftext|>"),
            (Tokens{31373, 1279, 91, 437, 1659, 5239, 91, 29}));
  EXPECT_EQ(tokenizer->encodePrompt("hello <|endoftext|>"),
            (Tokens{31373, 220, 50256}));
  EXPECT_EQ(tokenizer->encode("0000000000"), (Tokens{8269, 405}));
}
