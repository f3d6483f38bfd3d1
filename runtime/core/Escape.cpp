//===- Escape.cpp - Names as parts of other texts -------------------------===//

#include "core/Escape.h"

#include "core/Checksum.h"

#include <algorithm>
#include <cctype>
#include <cstdio>

namespace fp8c::runtime {
namespace {

struct Character {
  size_t bytes = 0; ///< 0: what stands there is not UTF-8
  char32_t code = 0;
};

/// The character that begins at `at`.
Character characterAt(std::string_view text, size_t at) {
  auto byte = [&](size_t i) {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0u;
  };
  unsigned first = byte(0);
  if (first < 0x80)
    return {1, first};
  size_t bytes = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  char32_t code = first & (0xffu >> (bytes + 1));
  for (size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xc0) != 0x80)
      return {};
    code = code << 6 | (byte(i) & 0x3f);
  }
  // Not a continuation, not longer than need be, no surrogate.
  constexpr char32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  bool isValid = first >= 0xc0 && first < 0xf8 && code >= least[bytes] &&
                 code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
  return isValid ? Character{bytes, code} : Character{};
}

/// Controls, what has no width, and what changes the direction of text.
bool isHidden(char32_t code) {
  constexpr struct {
    char32_t first, last;
  } ranges[] = {{0, 0x1f},        {0x7f, 0x9f},     {0xad, 0xad},
                {0x61c, 0x61c},   {0x180e, 0x180e}, {0x200b, 0x200f},
                {0x2028, 0x202e}, {0x2060, 0x206f}, {0xfe00, 0xfe0f},
                {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe0fff}};
  for (auto [first, last] : ranges)
    if (code >= first && code <= last)
      return true;
  return false;
}

std::string hex(const char *format, unsigned value) {
  char text[16];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

/// The text with each character escaped for which `mustEscape(at, character)`.
template <class Test>
std::string escape(std::string_view text, Test mustEscape) {
  std::string result;
  for (size_t at = 0; at < text.size();) {
    Character character = characterAt(text, at);
    size_t end = at + std::max<size_t>(character.bytes, 1);
    if (character.bytes && !mustEscape(at, character.code))
      result += text.substr(at, end - at);
    else
      for (size_t i = at; i < end; ++i)
        result += hex("\\x%02x", static_cast<unsigned char>(text[i]));
    at = end;
  }
  return result;
}

/// Would this read as an escaped byte?
bool looksEscaped(std::string_view text, size_t at) {
  auto isHex = [&](size_t i) {
    return i < text.size() &&
           std::isxdigit(static_cast<unsigned char>(text[i]));
  };
  return text.substr(at, 2) == "\\x" && isHex(at + 2) && isHex(at + 3);
}

/// Applies `escapePart` to the text, or to what is left where it is too long.
template <class Function>
std::string shorten(std::string_view text, size_t most, Function escapePart) {
  if (text.size() <= most)
    return escapePart(text);
  return escapePart(text.substr(0, most - most / 4)) + "...[" +
         std::to_string(text.size()) + " bytes, " +
         checksumOf(text.data(), text.size()) + "]..." +
         escapePart(text.substr(text.size() - most / 4));
}

} // namespace

bool isUtf8(std::string_view text) {
  for (size_t at = 0, bytes; at < text.size(); at += bytes)
    if (!(bytes = characterAt(text, at).bytes))
      return false;
  return true;
}

std::string toUtf8(std::string_view text) {
  return escape(text, [](size_t, char32_t) { return false; });
}

std::string printable(std::string_view text, size_t most) {
  return shorten(text, most, [](std::string_view part) {
    return escape(part, [&](size_t at, char32_t code) {
      return isHidden(code) || looksEscaped(part, at);
    });
  });
}

std::string printableMessage(std::string_view text) {
  std::string result;
  for (size_t start = 0; start <= text.size();) {
    size_t end = std::min(text.find('\n', start), text.size());
    std::string line = printable(text.substr(start, end - start), 4000);
    if (start)
      result += line.empty() || line[0] == ' ' ? "\n" : "\n  ";
    result += line;
    start = end + 1;
  }
  return result;
}

std::string commentText(std::string_view text) {
  return shorten(text, 1000, [](std::string_view part) {
    return escape(part, [&](size_t at, char32_t code) {
      char before = at ? part[at - 1] : ' ';
      return isHidden(code) || code == '\\' || (before == '?' && code == '?') ||
             (before == '*' && code == '/') || (before == '/' && code == '*');
    });
  });
}

std::string cppLiteral(std::string_view text) {
  std::string result = "\"";
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned char c = text[i];
    if (c == '"' || c == '\\' || (c == '?' && i && text[i - 1] == '?'))
      (result += '\\') += c;
    else if (c >= ' ' && c < 0x7f)
      result += c;
    else // Three octal digits end by themselves, hexadecimal ones do not.
      result += hex("\\%03o", c);
  }
  return result + "\"";
}

std::string yamlScalar(std::string_view text) {
  std::string result = "\"";
  for (size_t at = 0; at < text.size();) {
    Character character = characterAt(text, at);
    size_t bytes = std::max<size_t>(character.bytes, 1);
    char32_t code = character.bytes ? character.code : 0xfffd;
    if (code == '"' || code == '\\')
      (result += '\\') += static_cast<char>(code);
    else if (!character.bytes || isHidden(code))
      result += hex(code > 0xffff ? "\\U%08x" : "\\u%04x", code);
    else
      result += text.substr(at, bytes);
    at += bytes;
  }
  return result + "\"";
}

std::string scriptText(std::string_view json) {
  std::string result;
  for (size_t at = 0; at < json.size(); ++at) {
    // Only strings have these characters.
    if (std::string_view("<>&").find(json[at]) != std::string_view::npos)
      result += hex("\\u%04x", static_cast<unsigned char>(json[at]));
    else
      result += json[at];
  }
  return result;
}

} // namespace fp8c::runtime
