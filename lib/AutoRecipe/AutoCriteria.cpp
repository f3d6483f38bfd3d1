//===- AutoCriteria.cpp - What a format may do to a tensor ----------------===//

#include "AutoRecipe/AutoCriteria.h"

#include "Train/IR/Train.h"
#include "core/Escape.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

using namespace fp8c;
using llvm::StringRef;

std::string Limits::text() const {
  std::string text;
  llvm::raw_string_ostream os(text);
  llvm::ListSeparator comma;
  if (snr > 0)
    os << comma << llvm::format("signal to noise of %g dB", snr);
  if (changes < 1)
    os << comma
       << llvm::format("at most %g %% of a step's changes lost", 100 * changes);
  os << comma << llvm::format("at most %g %% underflow", 100 * underflow)
     << comma
     << llvm::format("at most %g %% of rows or columns lost", 100 * lines);
  return text;
}

Verdict fp8c::judge(const runtime::JsonField &measured, const Limits &limits,
                    bool isMatrix) {
  Verdict verdict;
  llvm::raw_string_ostream os(verdict.text);
  llvm::ListSeparator comma;
  auto limit = [&](double value, double most, const char *what, bool isSaid) {
    verdict.miss = std::max(verdict.miss, value / most);
    if (isSaid || value > 0)
      os << comma << llvm::format("%.3g %% %s", 100 * value, what);
  };
  if (limits.snr > 0) {
    double snr = measured.at("snr_db").number();
    verdict.miss = std::pow(10, (limits.snr - snr) / 20);
    os << comma << llvm::format("%.3g dB", snr);
  }
  if (limits.changes < 1)
    limit(measured.at("lost_changes").number(), limits.changes,
          "of changes lost", true);
  limit(measured.at("underflow").number(), limits.underflow, "underflow",
        limits.changes == 1);
  if (isMatrix)
    limit(std::max(measured.at("lost_rows").number(),
                   measured.at("lost_columns").number()),
          limits.lines, "of rows or columns lost", false);
  return verdict;
}

/// Where "3" of "h.3/mlp/fc" stands, and what comes after it; npos if nowhere.
static std::pair<size_t, size_t> findLayer(StringRef name) {
  std::string number = ("." + llvm::Twine(train::getLayer(name)) + "/").str();
  size_t at = name.find(number);
  return at == StringRef::npos ? std::pair(at, at)
                               : std::pair(at + 1, at + number.size() - 1);
}

std::string fp8c::getKind(StringRef name) {
  auto [first, last] = findLayer(name);
  if (first == StringRef::npos)
    return name.str();
  return (name.take_front(first) + "*" + name.drop_front(last)).str();
}

std::string fp8c::quoteKind(StringRef name) {
  auto escape = [](StringRef part) {
    std::string pattern;
    for (char c : part) {
      if (StringRef("*?[]{}\\").contains(c))
        pattern += '\\';
      pattern += c;
    }
    return pattern;
  };
  auto [first, last] = findLayer(name);
  return runtime::yamlScalar(first == StringRef::npos
                                 ? escape(name)
                                 : escape(name.take_front(first)) + "*" +
                                       escape(name.drop_front(last)));
}
