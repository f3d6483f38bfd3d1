//===- MutateIR.cpp - Small changes to the text of IR ---------------------===//
//
// Works on words and lines: what MLIR prints has one op a line, but for
// regions. Most changes are refused by the parser or a verifier; those that are
// not reach the passes.
//
//===----------------------------------------------------------------------===//

#include "MutateIR.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include <random>
#include <vector>

using namespace llvm;

namespace {

/// A word of the text: where it begins and ends.
struct Word {
  size_t begin, end;
};

class Mutator {
public:
  Mutator(StringRef text, uint64_t seed) : text(text), random(seed) {
    findWords();
    findLines();
  }
  std::string mutate(std::string &kind);

private:
  enum class Scope { Word, Line, Text };

  void findWords();
  void findLines();
  size_t below(size_t count) {
    return std::uniform_int_distribution<size_t>(0, count - 1)(random);
  }
  template <typename List> auto &pick(List &list) {
    return list[below(std::size(list))];
  }
  StringRef get(Word word) const { return text.slice(word.begin, word.end); }
  /// Of the words that `is` takes, one; false if there is none.
  template <typename Predicate> bool find(Predicate is, Word &found);
  Word lineOf(Word word) const;
  std::string replace(Word word, StringRef with, Scope scope) const;
  std::string swap(Word a, Word b) const;
  Scope anyScope() { return static_cast<Scope>(below(3)); }

  std::string swapWords(char sigil, bool inOneLine);
  std::string changeNumber();
  std::string changeWord(ArrayRef<StringRef> words, Scope scope);
  std::string changeFlag();
  std::string dropAttribute();
  std::string dropOp();
  std::string duplicateOp();
  std::string moveOp();

  StringRef text;
  std::mt19937_64 random;
  std::vector<Word> words;
  std::vector<Word> ops; ///< lines that hold one op
};

constexpr StringRef kTypes[] = {"f32", "bf16", "f16", "f8E4M3FN", "f8E5M2",
                                "i64", "i32",  "i1",  "f64",      "index"};
constexpr StringRef kEnumerators[] = {
    "parameter", "gradient", "moment1", "moment2",        "scale",
    "frozen",    "buffer",   "map",     "compute_weight", "rows",
    "columns",   "sum",      "max",     "tokens",         "labels",
    "lt",        "eq",       "full",    "scalar",         "row",
    "col",       "tile",     "fwd",     "dgrad",          "wgrad",
    "update",    "micro",    "init",    "eval",           "forward"};
constexpr StringRef kFlags[] = {
    "accumulated",  "keepdims",    "causal",     "fast_accum", "pow2",
    "poison",       "bounded",     "decay",      "tanh",       "scaled",
    "sqrt",         "contracting", "accumulate", "inverse",    "stochastic",
    "unless_first", "trans_b"};
constexpr StringRef kNumbers[] = {"0",
                                  "1",
                                  "-1",
                                  "2",
                                  "3",
                                  "7",
                                  "128",
                                  "4096",
                                  "4294967296",
                                  "9223372036854775807",
                                  "-9223372036854775808"};
} // namespace

static bool isWordChar(char c) {
  return isAlnum(c) || c == '_' || c == '.' || c == '$';
}

void Mutator::findWords() {
  for (size_t i = 0; i < text.size();) {
    size_t begin = i;
    if (text[i] == '"' ||
        (text[i] == '@' && text.substr(i).starts_with("@\""))) {
      size_t close = text.find('"', i + (text[i] == '@' ? 2 : 1));
      i = close == StringRef::npos ? text.size() : close + 1;
    } else if (text[i] == '%' || text[i] == '@' || isWordChar(text[i])) {
      // 16x32xf32 is three words.
      bool isDimension = isDigit(text[i]);
      for (++i; i < text.size() && isWordChar(text[i]); ++i)
        if (isDimension && text[i] == 'x') {
          words.push_back({begin, i});
          begin = ++i;
          isDimension = i < text.size() && isDigit(text[i]);
          if (i == text.size())
            break;
        }
    } else {
      ++i;
      continue;
    }
    if (begin < i)
      words.push_back({begin, i});
  }
}

void Mutator::findLines() {
  for (size_t begin = 0; begin < text.size();) {
    size_t end = std::min(text.find('\n', begin), text.size());
    StringRef line = text.slice(begin, end).trim();
    bool isOp = line.contains("train.") || line.contains("fp8.") ||
                line.contains("exec.") || line.contains("arith.") ||
                line.starts_with("return");
    if (isOp && !line.ends_with("{") && !line.starts_with("#"))
      ops.push_back({begin, std::min(end + 1, text.size())});
    begin = end + 1;
  }
}

template <typename Predicate> bool Mutator::find(Predicate is, Word &found) {
  std::vector<Word> fitting;
  for (Word word : words)
    if (is(get(word)))
      fitting.push_back(word);
  if (fitting.empty())
    return false;
  found = pick(fitting);
  return true;
}

Word Mutator::lineOf(Word word) const {
  size_t begin = text.rfind('\n', word.begin);
  return {begin == StringRef::npos ? 0 : begin + 1,
          std::min(text.find('\n', word.end), text.size())};
}

std::string Mutator::replace(Word word, StringRef with, Scope scope) const {
  Word within = scope == Scope::Word   ? word
                : scope == Scope::Line ? lineOf(word)
                                       : Word{0, text.size()};
  std::string result;
  size_t at = 0;
  for (Word other : words) {
    if (other.begin < within.begin || other.end > within.end ||
        get(other) != get(word))
      continue;
    result += text.slice(at, other.begin);
    result += with;
    at = other.end;
  }
  return result + text.substr(at).str();
}

std::string Mutator::swap(Word a, Word b) const {
  if (b.begin < a.begin)
    std::swap(a, b);
  if (b.begin < a.end)
    return text.str();
  return (text.take_front(a.begin) + get(b) + text.slice(a.end, b.begin) +
          get(a) + text.substr(b.end))
      .str();
}

std::string Mutator::swapWords(char sigil, bool inOneLine) {
  auto is = [&](StringRef word) { return word.front() == sigil; };
  Word first, second;
  if (!find(is, first))
    return text.str();
  Word line = inOneLine ? lineOf(first) : Word{0, text.size()};
  std::vector<Word> others;
  for (Word word : words)
    if (is(get(word)) && word.begin >= line.begin && word.end <= line.end &&
        word.begin != first.begin)
      others.push_back(word);
  if (others.empty())
    return text.str();
  second = pick(others);
  // Half of the time the other one takes its place, and keeps its own.
  return below(2) ? swap(first, second)
                  : replace(first, get(second), Scope::Word);
}

std::string Mutator::changeNumber() {
  Word word;
  if (!find([](StringRef w) { return isDigit(w.front()); }, word))
    return text.str();
  uint64_t value;
  std::string with = pick(kNumbers).str();
  if (below(2) && !get(word).getAsInteger(10, value))
    with = std::to_string(below(2) ? value + 1 : value * 2);
  return replace(word, with, anyScope());
}

std::string Mutator::changeWord(ArrayRef<StringRef> from, Scope scope) {
  Word word;
  if (!find([&](StringRef w) { return is_contained(from, w.trim('"')); }, word))
    return text.str();
  StringRef with = from[below(from.size())];
  bool isText = get(word).front() == '"';
  return replace(word, isText ? ("\"" + with + "\"").str() : with.str(), scope);
}

/// Takes a flag away, or gives one to an op that has attributes.
std::string Mutator::changeFlag() {
  Word word;
  if (below(2) &&
      find([](StringRef w) { return is_contained(kFlags, w); }, word))
    return replace(word, "", Scope::Word);
  if (ops.empty())
    return text.str();
  Word line = pick(ops);
  size_t brace = text.find('{', line.begin);
  if (brace >= line.end)
    return text.str();
  return (text.take_front(brace + 1) + pick(kFlags) + ", " +
          text.substr(brace + 1))
      .str();
}

/// `key = value` between braces, up to the comma behind it.
std::string Mutator::dropAttribute() {
  std::vector<Word> keys;
  for (Word word : words)
    if (text.substr(word.end).starts_with(" = ") && get(word).front() != '%')
      keys.push_back(word);
  if (keys.empty())
    return text.str();
  Word key = pick(keys);
  size_t end = key.end;
  int depth = 0;
  bool isText = false;
  for (; end < text.size() && text[end] != '\n'; ++end) {
    char c = text[end];
    isText ^= c == '"';
    if (isText)
      continue;
    if (depth == 0 && (c == ',' || c == '}'))
      break;
    depth += StringRef("{[(<").contains(c);
    depth -= StringRef("}])>").contains(c);
  }
  size_t begin = key.begin;
  if (text.substr(end).starts_with(", "))
    end += 2;
  else if (text.take_front(begin).ends_with(", "))
    begin -= 2;
  return (text.take_front(begin) + text.substr(end)).str();
}

std::string Mutator::dropOp() {
  if (ops.empty())
    return text.str();
  Word line = pick(ops);
  return (text.take_front(line.begin) + text.substr(line.end)).str();
}

std::string Mutator::duplicateOp() {
  if (ops.empty())
    return text.str();
  Word line = pick(ops);
  std::string copy = get(line).str();
  // Its results are others.
  StringRef results = StringRef(copy).split(" = ").first;
  if (results.ltrim().starts_with("%")) {
    std::string renamed;
    for (char c : results)
      renamed += c == '%' ? std::string("%copy_") : std::string(1, c);
    copy = renamed + copy.substr(results.size());
  }
  size_t at = below(2) ? line.end : pick(ops).begin;
  return (text.take_front(at) + copy + text.substr(at)).str();
}

std::string Mutator::moveOp() {
  if (ops.size() < 2)
    return text.str();
  size_t i = below(ops.size() - 1);
  return swap(ops[i], below(2) ? ops[i + 1] : pick(ops));
}

std::string Mutator::mutate(std::string &kind) {
  switch (below(11)) {
  case 0:
    kind = "swap operands";
    return swapWords('%', /*inOneLine=*/true);
  case 1:
    kind = "swap values";
    return swapWords('%', /*inOneLine=*/false);
  case 2:
    kind = "swap symbols";
    return swapWords('@', /*inOneLine=*/false);
  case 3:
    kind = "change a number";
    return changeNumber();
  case 4:
    kind = "change a type";
    return changeWord(kTypes, anyScope());
  case 5:
    kind = "change an enumerator";
    return changeWord(kEnumerators, Scope::Word);
  case 6:
    kind = "change a flag";
    return changeFlag();
  case 7:
    kind = "drop an attribute";
    return dropAttribute();
  case 8:
    kind = "drop an op";
    return dropOp();
  case 9:
    kind = "duplicate an op";
    return duplicateOp();
  default:
    kind = "move an op";
    return moveOp();
  }
}

std::string fp8c::mutateIR(StringRef text, uint64_t seed, std::string &kind) {
  std::string mutant = Mutator(text, seed).mutate(kind);
  if (seed % 4)
    return mutant;
  std::string second;
  mutant = Mutator(mutant, ~seed).mutate(second);
  kind += ", " + second;
  return mutant;
}
