//===- NamesTest.cpp ------------------------------------------------------===//

#include "Target/Common/Names.h"

#include "gtest/gtest.h"

using namespace fp8c::target;
using llvm::raw_ostream;
using llvm::StringRef;

namespace {

/// What the names become in a scope whose text is `text`.
std::vector<std::string> namesIn(StringRef text,
                                 const std::vector<std::string> &names) {
  std::vector<std::string> result;
  std::string printed;
  llvm::raw_string_ostream stream(printed);
  EXPECT_TRUE(succeeded(printScope(stream, [&](Scope scope, raw_ostream &os) {
    result.clear();
    os << text;
    for (const std::string &name : names)
      os << result.emplace_back(scope.unique(name)) << ";";
    return llvm::success();
  })));
  EXPECT_EQ(StringRef(printed).take_front(text.size()), text);
  return result;
}

using Names = std::vector<std::string>;

} // namespace

TEST(Names, Identifiers) {
  EXPECT_EQ(toIdentifier("h.0/mlp/fc"), "h0_mlp_fc");
  EXPECT_EQ(toIdentifier("/model/MatMul"), "_model_MatMul");
  EXPECT_EQ(toIdentifier(""), "_");
  EXPECT_EQ(toIdentifier("3"), "_3");
  EXPECT_EQ(toIdentifier("a\n\xc3\xa9;"), "a____");
  EXPECT_EQ(toIdentifier(std::string(100000, 'L')), std::string(200, 'L'));
}

TEST(Names, EqualNamesAreNumbered) {
  EXPECT_EQ(namesIn("", {"x", "x", "x_2", "x", "y"}),
            Names({"x", "x_2", "x_2_2", "x_3", "y"}));
}

TEST(Names, WordsOfTheTextAreTaken) {
  StringRef text = "gemm(stream, {.m = 0x1p3f}, call->inputs[hyper::lr]); "
                   "// comment\n/* other */ f(\"a \\\" string\", last);";
  EXPECT_EQ(
      namesIn(text, {"gemm", "stream", "call", "hyper", "f", "last"}),
      Names({"gemm_2", "stream_2", "call_2", "hyper_2", "f_2", "last_2"}));
  Names others = {"m",      "inputs", "lr",    "comment", "other",
                  "string", "a",      "x1p3f", "p3f"};
  EXPECT_EQ(namesIn(text, others), others);
}

TEST(Names, WordsOfCppAndMacros) {
  EXPECT_EQ(namesIn("", {"class", "co_await", "xor_eq"}),
            Names({"class_2", "co_await_2", "xor_eq_2"}));
  EXPECT_EQ(
      namesIn("", {"NULL", "M_PIf", "__FILE__", "_Bool", "errno", "NULL"}),
      Names(
          {"v_NULL", "v_M_PIf", "v__FILE__", "v_Bool", "v_errno", "v_NULL_2"}));
  Names ordinary = {"h0_mlp_fc", "MatMul_12", "_model_x", "x",
                    "W",         "_3",        "tokens"};
  EXPECT_EQ(namesIn("", ordinary), ordinary);
}
