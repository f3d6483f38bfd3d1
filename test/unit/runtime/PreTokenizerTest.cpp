//===- PreTokenizerTest.cpp -----------------------------------------------===//

#include "core/PreTokenizer.h"

#include "gtest/gtest.h"

#include <string>
#include <vector>

using namespace fp8c::runtime;

using Pieces = std::vector<std::string>;

static Pieces pieces(const std::string &text) {
  Pieces result;
  for (size_t start = 0, end; start < text.size(); start = end) {
    end = pieceEnd(text, start);
    result.push_back(text.substr(start, end - start));
  }
  return result;
}

// Expected values are what the pattern gives in tiktoken.
TEST(PreTokenizer, Words) {
  EXPECT_EQ(pieces("Hello world!! 123abc"),
            (Pieces{"Hello", " world", "!!", " 123", "abc"}));
  EXPECT_EQ(pieces("a_b-c"), (Pieces{"a", "_", "b", "-", "c"}));
  EXPECT_EQ(pieces(""), Pieces());
}

TEST(PreTokenizer, Contractions) {
  EXPECT_EQ(pieces("we'll it's I'd'S"),
            (Pieces{"we", "'ll", " it", "'s", " I", "'d", "'", "S"}));
  EXPECT_EQ(pieces("'sting"), (Pieces{"'s", "ting"}));
  EXPECT_EQ(pieces(" 's ''s"), (Pieces{" '", "s", " ''", "s"}));
  EXPECT_EQ(pieces("'l 'v"), (Pieces{"'", "l", " '", "v"}));
  EXPECT_EQ(pieces("'"), (Pieces{"'"}));
}

TEST(PreTokenizer, SpaceLeavesItsLastCharacterToTheWord) {
  EXPECT_EQ(pieces("a   b"), (Pieces{"a", "  ", " b"}));
  EXPECT_EQ(pieces("a \n b"), (Pieces{"a", " \n", " b"}));
  EXPECT_EQ(pieces("a\n\nb"), (Pieces{"a", "\n", "\n", "b"}));
  EXPECT_EQ(pieces("a\nb"), (Pieces{"a", "\n", "b"}));
  EXPECT_EQ(pieces("a  \n"), (Pieces{"a", "  \n"}));
  EXPECT_EQ(pieces(" "), (Pieces{" "}));
}

TEST(PreTokenizer, Unicode) {
  EXPECT_EQ(pieces("naïve 日本語 Ⅷ½ x²"),
            (Pieces{"naïve", " 日本語", " Ⅷ½", " x", "²"}));
  EXPECT_EQ(pieces("é😀1"), (Pieces{"é", "😀", "1"}));
  EXPECT_EQ(pieces("e\u0301"), (Pieces{"e", "\u0301"})); // combining mark
  EXPECT_EQ(pieces("a\u3000\u00a0b"), (Pieces{"a", "\u3000", "\u00a0", "b"}));
  EXPECT_EQ(pieces("a\u200bb"), (Pieces{"a", "\u200b", "b"})); // not a space
}

TEST(PreTokenizer, InvalidUtf8IsOther) {
  EXPECT_EQ(pieces("a\xff\xc3"), (Pieces{"a", "\xff\xc3"}));
  EXPECT_EQ(pieces("\xe6\x97z"), (Pieces{"\xe6\x97", "z"})); // cut short
  EXPECT_EQ(pieces("\xc1\x81 \xed\xa0\x80"),
            (Pieces{"\xc1\x81", " \xed\xa0\x80"})); // overlong, surrogate
}
