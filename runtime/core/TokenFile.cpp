//===- TokenFile.cpp - Training data: a long row of tokens ----------------===//

#include "core/TokenFile.h"

#include "core/Checksum.h"
#include "core/Error.h"
#include "core/Text.h"

#include <algorithm>
#include <cstring>

namespace fp8c::runtime {
namespace {

constexpr uint64_t headerWords = 256;
constexpr uint64_t headerBytes = headerWords * sizeof(int32_t);
constexpr int32_t llmcMagic = 20240520;
constexpr int32_t llmcMagicWide = 20240801; // 32-bit tokens
constexpr int32_t llmcVersion = 1;
constexpr const char *prepare = "prepare the data with: fp8c data TEXT";

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "token files are little-endian and read as they are");

} // namespace

TokenFile::TokenFile(const std::string &path) : file(path) {
  int32_t head[3] = {};
  if (file.size() >= headerBytes)
    std::memcpy(head, file.data(), sizeof(head));
  if (head[0] == llmcMagicWide)
    throw Error::inFile(path,
                        "llm.c file with 32-bit tokens, which are not "
                        "supported",
                        prepare);
  // A headerless file may begin with the magic's two tokens by chance, hardly
  // with the version after them.
  hasHeader = head[0] == llmcMagic && head[1] == llmcVersion;
  uint64_t dataBytes = file.size() - (hasHeader ? headerBytes : 0);
  count = dataBytes / sizeof(uint16_t);
  if (hasHeader &&
      dataBytes != static_cast<uint64_t>(head[2]) * sizeof(uint16_t))
    throw Error::inFile(path,
                        concat("cut short or damaged: its header says ",
                               withThousands(head[2]), " tokens, it has ",
                               withThousands(static_cast<int64_t>(count))),
                        "copy the file again");
  if (dataBytes % sizeof(uint16_t))
    throw Error::inFile(path, "not a token file: an odd number of bytes",
                        prepare);
  if (count == 0)
    throw Error::inFile(path, "has no tokens", prepare);
  tokens = reinterpret_cast<const uint16_t *>(file.data() +
                                              (hasHeader ? headerBytes : 0));
}

const char *TokenFile::layout() const {
  return hasHeader ? "llm.c header" : "headerless uint16";
}

std::string TokenFile::sampledChecksum() const {
  constexpr uint64_t blocks = 64, blockTokens = 2048;
  Checksum sum;
  sum.update(&count, sizeof(count));
  for (uint64_t block = 0; block < blocks; ++block) {
    const uint64_t first = count / blocks * block;
    sum.update(tokens + first,
               std::min(blockTokens, count - first) * sizeof(uint16_t));
  }
  return sum.text();
}

void TokenFile::checkVocabulary(int64_t vocab) const {
  constexpr uint64_t block = 1 << 20;
  for (uint64_t first = 0; first < count; first += block) {
    uint64_t last = std::min(count, first + block);
    uint16_t largest = 0;
    for (uint64_t i = first; i < last; ++i) // vectorised
      largest = std::max(largest, tokens[i]);
    if (largest >= vocab)
      throwOutside(first, vocab);
  }
}

void TokenFile::copy(uint64_t position, uint64_t length, int64_t vocab,
                     int64_t *destination) const {
  int64_t largest = 0;
  for (uint64_t i = 0; i < length; ++i) {
    destination[i] = tokens[position + i];
    largest = std::max(largest, destination[i]);
  }
  if (length > 0 && largest >= vocab)
    throwOutside(position, vocab);
}

void TokenFile::throwOutside(uint64_t from, int64_t vocab) const {
  uint64_t at = from;
  while (at + 1 < count && tokens[at] < vocab)
    ++at;
  throw Error::inFile(
      path(),
      concat("token ", tokens[at], " at position ",
             withThousands(static_cast<int64_t>(at)),
             " is outside the model's vocabulary of ", withThousands(vocab)),
      "the data was prepared with another tokenizer than the model's");
}

} // namespace fp8c::runtime
