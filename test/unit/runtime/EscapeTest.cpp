//===- EscapeTest.cpp -----------------------------------------------------===//

#include "core/Escape.h"
#include "core/Json.h"
#include "core/Random.h"

#include "gtest/gtest.h"

#include <map>
#include <set>

using namespace fp8c::runtime;
using namespace std::string_literals;

namespace {

/// Texts of pieces that are awkward somewhere, in random orders; each once.
std::vector<std::string> hostileTexts() {
  const std::string pieces[] = {"a",          "\n",
                                "\r",         "\0"s,
                                "\t",         "\x1b[31m",
                                "\x7f",       "\\",
                                "\\x0a",      "\\n",
                                "\"",         "'",
                                "*/",         "/*",
                                "?\?/",       "?",
                                "//",         "</script>",
                                "<!--",       "&amp;",
                                "%s",         "$(id)",
                                "\xff",       "\xc3",
                                "\xa9",       "\xed\xa0\x80",
                                "\xc0\x80",   "é",
                                "\u202e",     "\u2028",
                                "\u200b",     "\U000e0041",
                                "\U0001f600", "#",
                                ": ",         "{",
                                "-",          " ",
                                "@DATA@"};
  std::set<std::string> texts;
  RandomStream random(7, "escape");
  for (const std::string &first : pieces) {
    texts.insert(first);
    for (const std::string &second : pieces)
      texts.insert(first + second);
  }
  for (uint64_t i = 0; i < 2000; ++i) {
    std::string text;
    for (uint64_t j = 0; j < 2 + i % 9; ++j)
      text += pieces[random.below(std::size(pieces), 16 * i + j)];
    texts.insert(text);
  }
  return {texts.begin(), texts.end()};
}

bool hasControl(const std::string &text) {
  return std::any_of(text.begin(), text.end(),
                     [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

/// Escapes all texts: each differently.
template <class Function> std::vector<std::string> escapeAll(Function escape) {
  std::map<std::string, std::string> from;
  std::vector<std::string> escaped;
  for (const std::string &text : hostileTexts()) {
    escaped.push_back(escape(text));
    auto [entry, isNew] = from.try_emplace(escaped.back(), text);
    EXPECT_TRUE(isNew) << testing::PrintToString(text) << " and "
                       << testing::PrintToString(entry->second) << " become "
                       << escaped.back();
  }
  return escaped;
}

} // namespace

TEST(Escape, OrdinaryNamesStay) {
  for (const char *name : {"h.0/mlp/fc", "h.0/mlp/fc.bias + h.0/mlp/gelu",
                           "/transformer/h.0/MatMul", "onnx::MatMul_123",
                           "größe", "重み", "a\\b", "", "what?", "x*y / z"}) {
    EXPECT_EQ(printable(name), name);
    EXPECT_EQ(toUtf8(name), name);
  }
  EXPECT_EQ(commentText("h.0/mlp/fc (wgrad): [1, 2] x [2, 3]"),
            "h.0/mlp/fc (wgrad): [1, 2] x [2, 3]");
  EXPECT_EQ(cppLiteral("h.0/mlp/fc"), "\"h.0/mlp/fc\"");
  EXPECT_EQ(yamlScalar("h.*/mlp/fc"), "\"h.*/mlp/fc\"");
}

TEST(Escape, Printable) {
  EXPECT_EQ(printable("a\nb\x1b[2J\0c"s), "a\\x0ab\\x1b[2J\\x00c");
  EXPECT_EQ(printable("\xff\xc3"), "\\xff\\xc3");
  EXPECT_EQ(printable("\u202egnp.exe"), "\\xe2\\x80\\xaegnp.exe");
  EXPECT_EQ(printable("\\x0a"), "\\x5cx0a");
  for (const std::string &text :
       escapeAll([](auto &t) { return printable(t); }))
    EXPECT_TRUE(isUtf8(text) && !hasControl(text)) << text;
}

TEST(Escape, LongTextsAreShortenedAndStayDistinct) {
  std::string a(100000, 'L'), b = a;
  b[60000] = 'M';
  for (auto escape :
       {+[](std::string_view text) { return printable(text); },
        +[](std::string_view text) { return commentText(text); }}) {
    EXPECT_LT(escape(a).size(), 1100u);
    EXPECT_NE(escape(a), escape(b));
    EXPECT_NE(escape(a).find("100000 bytes"), std::string::npos);
    EXPECT_EQ(escape(std::string(1000, 'L')), std::string(1000, 'L'));
    EXPECT_LT(escape(std::string(100000, '\n')).size(), 4100u);
  }
}

TEST(Escape, LinesOfAMessageAreIndented) {
  EXPECT_EQ(printableMessage("one"), "one");
  EXPECT_EQ(printableMessage("one\nfp8c: error: two\n  three\n"),
            "one\n  fp8c: error: two\n  three\n");
  EXPECT_EQ(printableMessage("a\x1b[1m\n\tb"), "a\\x1b[1m\n  \\x09b");
}

TEST(Escape, CommentsOfCpp) {
  EXPECT_EQ(commentText("ends with \\"), "ends with \\x5c");
  for (const std::string &text :
       escapeAll([](auto &t) { return commentText(t); })) {
    EXPECT_TRUE(isUtf8(text) && !hasControl(text)) << text;
    for (const char *marks : {"*/", "/*", "?\?/", "?\?"})
      EXPECT_EQ(text.find(marks), std::string::npos) << text;
    EXPECT_NE(text.back(), '\\') << text;
  }
}

TEST(Escape, LiteralsOfCpp) {
  EXPECT_EQ(cppLiteral("a\"b\\c\n0"), R"("a\"b\\c\0120")");
  EXPECT_EQ(cppLiteral("\xff"
                       "f"),
            R"("\377f")");
  for (const std::string &text :
       escapeAll([](auto &t) { return cppLiteral(t); })) {
    EXPECT_FALSE(hasControl(text)) << text;
    EXPECT_EQ(text.find("?\?"), std::string::npos) << text;
  }
}

TEST(Escape, Json) {
  for (const std::string &text : hostileTexts()) {
    std::string script = scriptText(jsonText(OrderedJson::array({text, 1}), 1));
    EXPECT_EQ(script.find('<'), std::string::npos) << script;
    std::string read = Json::parse(script).at(0);
    EXPECT_TRUE(isUtf8(read));
    if (isUtf8(text)) {
      EXPECT_EQ(read, text);
    }
  }
}

TEST(Escape, Utf8) {
  for (const std::string &text : hostileTexts())
    EXPECT_EQ(isUtf8(text), toUtf8(text) == text) << text;
  for (const char *bad :
       {"\x80", "\xc2", "\xc1\xbf", "\xe0\x80\x80", "\xf5\x80\x80\x80",
        "\xf4\x90\x80\x80", "\xed\xbf\xbf", "a\xff"})
    EXPECT_FALSE(isUtf8(bad));
  for (const char *good :
       {"\u0080", "\u0800", "\U00010000", "\U0010ffff", "\ud7ff"})
    EXPECT_TRUE(isUtf8(good));
}
