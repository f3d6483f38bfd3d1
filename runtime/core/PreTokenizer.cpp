//===- PreTokenizer.cpp - Cutting text into words, as GPT-2 does ----------===//

#include "core/PreTokenizer.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>

namespace fp8c::runtime {
namespace {

struct Range {
  uint32_t first, last;
};

#include "core/UnicodeRanges.inc"

enum class Class : uint8_t { Letter, Number, Space, Other };

template <size_t size>
bool contains(const Range (&ranges)[size], uint32_t codePoint) {
  const Range *range = std::lower_bound(
      std::begin(ranges), std::end(ranges), codePoint,
      [](const Range &range, uint32_t value) { return range.last < value; });
  return range != std::end(ranges) && range->first <= codePoint;
}

Class lookUp(uint32_t codePoint) {
  if (contains(letters, codePoint))
    return Class::Letter;
  if (contains(numbers, codePoint))
    return Class::Number;
  return contains(whiteSpace, codePoint) ? Class::Space : Class::Other;
}

struct Character {
  Class kind;
  size_t bytes;
};

/// The character at `start`, which is before the end.
Character characterAt(std::string_view text, size_t start) {
  static const std::array<Class, 128> ascii = [] {
    std::array<Class, 128> table;
    for (uint32_t i = 0; i < table.size(); ++i)
      table[i] = lookUp(i);
    return table;
  }();
  auto byte = [&](size_t i) {
    return static_cast<uint32_t>(static_cast<unsigned char>(text[start + i]));
  };
  uint32_t lead = byte(0);
  if (lead < 0x80)
    return {ascii[lead], 1};
  size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() - start < length)
    return {Class::Other, 1};
  uint32_t codePoint = lead & (0x7f >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80)
      return {Class::Other, 1};
    codePoint = codePoint << 6 | (byte(i) & 0x3f);
  }
  constexpr uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
  bool surrogate = codePoint >= 0xd800 && codePoint < 0xe000;
  if (codePoint < smallest[length] || codePoint > 0x10ffff || surrogate)
    return {Class::Other, 1};
  return {lookUp(codePoint), length};
}

/// The end of the run of characters of one class.
size_t runEnd(std::string_view text, size_t start, Class kind) {
  while (start < text.size()) {
    Character next = characterAt(text, start);
    if (next.kind != kind)
      break;
    start += next.bytes;
  }
  return start;
}

} // namespace

size_t pieceEnd(std::string_view text, size_t start) {
  if (text[start] == '\'')
    for (std::string_view ending : {"s", "t", "re", "ve", "m", "ll", "d"})
      if (text.substr(start + 1, ending.size()) == ending)
        return start + 1 + ending.size();

  // One blank belongs to the word after it.
  size_t word = start + (text[start] == ' ' ? 1 : 0);
  if (word < text.size())
    if (Class kind = characterAt(text, word).kind; kind != Class::Space)
      return runEnd(text, word, kind);

  // Space: all of it at the end of the text, else all but the last character,
  // which is left to the word after it.
  size_t end = start, last = start;
  while (end < text.size()) {
    Character next = characterAt(text, end);
    if (next.kind != Class::Space)
      break;
    last = end;
    end += next.bytes;
  }
  return end == text.size() || last == start ? end : last;
}

} // namespace fp8c::runtime
