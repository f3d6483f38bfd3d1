//===- Names.cpp - What things are called in emitted source ---------------===//

#include "Target/Common/Names.h"

#include "Exec/IR/Exec.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::target;

std::string fp8c::target::getElementName(Type type) {
  if (type.isF32())
    return "float";
  if (isa<BFloat16Type>(type))
    return "bf16";
  if (isa<Float16Type>(type))
    return "f16";
  if (isa<Float8E4M3FNType>(type))
    return "e4m3";
  if (isa<Float8E5M2Type>(type))
    return "e5m2";
  if (type.isInteger(64))
    return "int64_t";
  if (type.isSignlessInteger(32))
    return "int32_t";
  return type == exec::getStatsWordType(type.getContext()) ? "Stats"
                                                           : "uint8_t";
}

std::string fp8c::target::getShapeText(ArrayRef<int64_t> shape) {
  std::string text = "[";
  for (auto [i, size] : llvm::enumerate(shape))
    text += (i ? ", " : "") + std::to_string(size);
  return text + "]";
}

std::string fp8c::target::toIdentifier(StringRef name) {
  constexpr size_t kMost = 200;
  std::string result;
  for (size_t i = 0; i < name.size() && result.size() < kMost; ++i) {
    // Layers read better without a seam: h.0 is h0.
    if (name[i] == '.' && i + 1 < name.size() && llvm::isDigit(name[i + 1]))
      continue;
    result += llvm::isAlnum(name[i]) ? name[i] : '_';
  }
  if (result.empty() || llvm::isDigit(result[0]))
    result.insert(result.begin(), '_');
  return result;
}

std::string fp8c::target::toTypeName(StringRef name) {
  std::string result;
  bool upper = true;
  for (char c : name) {
    if (c == '_') {
      upper = true;
      continue;
    }
    result += upper ? llvm::toUpper(c) : c;
    upper = false;
  }
  return result + "Kernel";
}

/// Object-like macros of headers, by their shape: the prefixes that are
/// reserved for implementations, a first word in capitals, names of CUDA. Those
/// of another shape are few.
static bool mayBeMacro(StringRef name) {
  static const llvm::StringSet<> others = {
      "errno",          "linux",  "math_errhandling",
      "sched_priority", "stderr", "stdin",
      "stdout",         "unix",   "xdouble"};
  StringRef first = name.split('_').first;
  bool isCapital = name.size() > 1 && llvm::any_of(first, llvm::isUpper) &&
                   llvm::none_of(first, llvm::isLower);
  bool isReserved = name.size() > 1 && name[0] == '_' &&
                    (name[1] == '_' || llvm::isUpper(name[1]));
  return isCapital || isReserved || name.starts_with("cuda") ||
         others.contains(name);
}

Scope::Scope() {
  static constexpr llvm::StringLiteral keywords[] = {
      // of C++20, all of them
      "alignas",       "alignof",     "and",
      "and_eq",        "asm",         "auto",
      "bitand",        "bitor",       "bool",
      "break",         "case",        "catch",
      "char",          "char16_t",    "char32_t",
      "char8_t",       "class",       "co_await",
      "co_return",     "co_yield",    "compl",
      "concept",       "const",       "const_cast",
      "consteval",     "constexpr",   "constinit",
      "continue",      "decltype",    "default",
      "delete",        "do",          "double",
      "dynamic_cast",  "else",        "enum",
      "explicit",      "export",      "extern",
      "false",         "float",       "for",
      "friend",        "goto",        "if",
      "inline",        "int",         "long",
      "mutable",       "namespace",   "new",
      "noexcept",      "not",         "not_eq",
      "nullptr",       "operator",    "or",
      "or_eq",         "private",     "protected",
      "public",        "register",    "reinterpret_cast",
      "requires",      "return",      "short",
      "signed",        "sizeof",      "static",
      "static_assert", "static_cast", "struct",
      "switch",        "template",    "this",
      "thread_local",  "throw",       "true",
      "try",           "typedef",     "typeid",
      "typename",      "union",       "unsigned",
      "using",         "virtual",     "void",
      "volatile",      "wchar_t",     "while",
      "xor",           "xor_eq"};
  for (StringRef word : keywords)
    counts[word] = 1;
}

std::string Scope::unique(StringRef name) {
  if (isDraft)
    return (name + "$").str();
  if (mayBeMacro(name))
    return unique(((name[0] == '_' ? "v" : "v_") + name).str());
  unsigned count = ++counts[name];
  if (count == 1)
    return name.str();
  // The numbered name may itself be taken.
  return unique((name + "_" + llvm::Twine(count)).str());
}

/// Members (after . and ->) and what is qualified (after ::) are no words that
/// a name could be mistaken for.
void Scope::reserveWords(StringRef text) {
  auto isWord = [](char c) { return llvm::isAlnum(c) || c == '_' || c == '$'; };
  for (StringRef rest = text; !rest.empty();) {
    StringRef before = text.drop_back(rest.size());
    StringRef word = rest.take_while(isWord);
    if (!word.empty()) {
      rest = rest.drop_front(word.size());
      bool isMember = before.ends_with(".") || before.ends_with("->") ||
                      before.ends_with("::");
      if (!isMember && !llvm::isDigit(word[0]) && !word.contains('$'))
        counts.try_emplace(word, 1);
    } else if (rest.starts_with("//")) {
      rest = rest.drop_until([](char c) { return c == '\n'; });
    } else if (rest.consume_front("/*")) {
      rest = rest.split("*/").second;
    } else if (rest.consume_front("\"")) {
      while (!rest.empty() && rest.front() != '"')
        rest = rest.substr(rest.front() == '\\' ? 2 : 1);
      rest = rest.substr(1);
    } else {
      rest = rest.drop_front();
    }
  }
}

LogicalResult fp8c::target::printScope(
    raw_ostream &os,
    llvm::function_ref<LogicalResult(Scope, raw_ostream &)> print) {
  std::string text;
  llvm::raw_string_ostream draft(text);
  Scope scope;
  scope.isDraft = true;
  if (failed(print(scope, draft)))
    return failure();
  scope.isDraft = false;
  scope.reserveWords(text);
  return print(std::move(scope), os);
}
