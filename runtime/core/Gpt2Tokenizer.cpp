//===- Gpt2Tokenizer.cpp - GPT-2's byte-level BPE -------------------------===//
//
// Text is cut into pieces (PreTokenizer.h); a piece starts as one token per
// byte, and neighbours are merged, the pair that comes first in vocab.bpe
// first, until no pair of neighbours is in that list.
//
//===----------------------------------------------------------------------===//

#include "core/MappedFile.h"
#include "core/PreTokenizer.h"
#include "core/Text.h"
#include "core/Tokenizer.h"

#include <algorithm>
#include <array>
#include <queue>
#include <unordered_map>

namespace fp8c::runtime {
namespace {

/// The files write a byte as a printable character: itself if it is one in
/// Latin-1, else a character from U+0100 on, in order.
std::array<std::string, 256> byteCharacters() {
  auto utf8 = [](uint32_t codePoint) -> std::string { // below U+0800
    if (codePoint < 0x80)
      return {static_cast<char>(codePoint)};
    return {static_cast<char>(0xc0 | codePoint >> 6),
            static_cast<char>(0x80 | (codePoint & 0x3f))};
  };
  std::array<std::string, 256> characters;
  uint32_t next = 0x100;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    bool printable = (byte >= '!' && byte <= '~') ||
                     (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    characters[byte] = utf8(printable ? byte : next++);
  }
  return characters;
}

class Gpt2Tokenizer final : public Tokenizer {
public:
  Gpt2Tokenizer(const std::string &encoder, const std::string &merges)
      : encoderPath(encoder), mergesPath(merges) {
    readEncoder();
    readMerges();
  }

  int64_t size() const override {
    return static_cast<int64_t>(bytesOfToken.size());
  }
  std::string decode(Token token) const override {
    return token >= 0 && token < size()
               ? bytesOfToken[static_cast<size_t>(token)]
               : "";
  }
  std::optional<Token> endOfText() const override {
    auto found = tokenOfName.find("<|endoftext|>");
    return found == tokenOfName.end() ? std::nullopt
                                      : std::optional<Token>(found->second);
  }
  OrderedJson description() const override {
    return {{"tokenizer", "gpt2"},
            {"encoder", encoderPath},
            {"merges", mergesPath}};
  }
  void encode(std::string_view text,
              const std::function<void(Token)> &emit) override;

private:
  struct Merge {
    uint32_t rank;
    Token result;
  };

  void readEncoder();
  void readMerges();
  std::string bytesOf(const std::string &name) const;
  const Merge *findMerge(Token left, Token right) const;
  std::vector<Token> mergePiece(std::string_view piece) const;

  static uint64_t pairKey(Token left, Token right) {
    return uint64_t(static_cast<uint32_t>(left)) << 32 |
           static_cast<uint32_t>(right);
  }

  std::string encoderPath, mergesPath;
  std::unordered_map<std::string, Token> tokenOfName; ///< names as in the file
  std::vector<std::string> bytesOfToken;
  std::array<Token, 256> tokenOfByte = {};
  std::unordered_map<uint64_t, Merge> merges;
  std::unordered_map<std::string, std::vector<Token>> cache;
};

void Gpt2Tokenizer::readEncoder() {
  Json document = readJson(encoderPath);
  auto members = JsonField(document, encoderPath).members();
  bytesOfToken.resize(members.size());
  std::vector<bool> seen(members.size());
  for (const auto &[name, field] : members) {
    uint64_t token = field.size();
    if (token >= seen.size() || seen[token])
      throw field.error("token numbers have to be 0, 1, 2, … without gaps");
    seen[token] = true;
    tokenOfName.emplace(name, static_cast<Token>(token));
    bytesOfToken[token] = bytesOf(name);
  }
  std::array<std::string, 256> characters = byteCharacters();
  for (size_t byte = 0; byte < 256; ++byte) {
    auto found = tokenOfName.find(characters[byte]);
    if (found == tokenOfName.end())
      throw Error::inFile(encoderPath, concat("has no token for byte ", byte),
                          "this is not the encoder.json of a byte-level BPE");
    tokenOfByte[byte] = found->second;
  }
}

/// The bytes that a name in encoder.json stands for. A character that stands
/// for no byte is taken as it is: it occurs in special tokens only.
std::string Gpt2Tokenizer::bytesOf(const std::string &name) const {
  static const std::unordered_map<std::string, char> byteOfCharacter = [] {
    std::unordered_map<std::string, char> table;
    std::array<std::string, 256> characters = byteCharacters();
    for (size_t byte = 0; byte < 256; ++byte)
      table.emplace(characters[byte], static_cast<char>(byte));
    return table;
  }();
  std::string bytes;
  for (size_t at = 0; at < name.size();) {
    size_t length = 1;
    while (at + length < name.size() && (name[at + length] & 0xc0) == 0x80)
      ++length;
    std::string character = name.substr(at, length);
    auto found = byteOfCharacter.find(character);
    bytes += found == byteOfCharacter.end() ? character
                                            : std::string(1, found->second);
    at += length;
  }
  return bytes;
}

void Gpt2Tokenizer::readMerges() {
  MappedFile file(mergesPath);
  std::string_view rest(reinterpret_cast<const char *>(file.data()),
                        file.size());
  uint32_t rank = 0;
  for (size_t line = 1; !rest.empty(); ++line) {
    std::string_view text = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(text.size() + 1, rest.size()));
    if (!text.empty() && text.back() == '\r')
      text.remove_suffix(1);
    if (text.empty() || (line == 1 && text.substr(0, 8) == "#version"))
      continue;
    size_t blank = text.find(' ');
    auto token = [&](const std::string &name) {
      auto found = tokenOfName.find(name);
      if (blank == text.npos || found == tokenOfName.end())
        throw Error::inFile(mergesPath,
                            concat("line ", line,
                                   ": not a merge of tokens "
                                   "that encoder.json has"),
                            "take encoder.json and vocab.bpe from the same "
                            "model");
      return found->second;
    };
    std::string left(text.substr(0, blank));
    std::string right(blank == text.npos ? "" : text.substr(blank + 1));
    merges.emplace(pairKey(token(left), token(right)),
                   Merge{rank++, token(left + right)});
  }
}

const Gpt2Tokenizer::Merge *Gpt2Tokenizer::findMerge(Token left,
                                                     Token right) const {
  auto found = merges.find(pairKey(left, right));
  return found == merges.end() ? nullptr : &found->second;
}

/// With a heap, because a "word" can be a megabyte of dashes.
std::vector<Token> Gpt2Tokenizer::mergePiece(std::string_view piece) const {
  constexpr Token removed = -1;
  struct Node {
    Token token;
    size_t previous, next; // next == piece.size(): the last
  };
  struct Candidate {
    uint32_t rank;
    size_t left;
    Token leftToken, rightToken;
    bool operator<(const Candidate &other) const { // smallest on top
      return rank != other.rank ? rank > other.rank : left > other.left;
    }
  };
  std::vector<Node> nodes(piece.size());
  std::priority_queue<Candidate> candidates;
  auto consider = [&](size_t left) {
    size_t right = nodes[left].next;
    if (right >= nodes.size())
      return;
    if (const Merge *merge = findMerge(nodes[left].token, nodes[right].token))
      candidates.push(
          {merge->rank, left, nodes[left].token, nodes[right].token});
  };
  for (size_t i = 0; i < nodes.size(); ++i)
    nodes[i] = {tokenOfByte[static_cast<unsigned char>(piece[i])], i - 1,
                i + 1};
  for (size_t i = 0; i < nodes.size(); ++i)
    consider(i);

  while (!candidates.empty()) {
    Candidate best = candidates.top();
    candidates.pop();
    Node &left = nodes[best.left];
    size_t right = left.next;
    if (left.token != best.leftToken || right >= nodes.size() ||
        nodes[right].token != best.rightToken)
      continue; // one of the two has been merged since
    left.token = findMerge(best.leftToken, best.rightToken)->result;
    left.next = nodes[right].next;
    nodes[right].token = removed;
    if (left.next < nodes.size())
      nodes[left.next].previous = best.left;
    consider(best.left);
    if (best.left > 0)
      consider(left.previous);
  }
  std::vector<Token> tokens;
  for (size_t i = 0; i < nodes.size(); i = nodes[i].next)
    tokens.push_back(nodes[i].token);
  return tokens;
}

void Gpt2Tokenizer::encode(std::string_view text,
                           const std::function<void(Token)> &emit) {
  constexpr size_t longestCached = 32;   // bytes
  constexpr size_t mostCached = 1 << 20; // pieces
  for (size_t start = 0, end; start < text.size(); start = end) {
    end = pieceEnd(text, start);
    std::string piece(text.substr(start, end - start));
    if (piece.size() > longestCached) {
      for (Token token : mergePiece(piece))
        emit(token);
      continue;
    }
    auto [entry, isNew] = cache.try_emplace(piece);
    if (isNew)
      entry->second = mergePiece(piece);
    for (Token token : entry->second)
      emit(token);
    if (cache.size() > mostCached)
      cache.clear();
  }
}

} // namespace

std::unique_ptr<Tokenizer> createGpt2Tokenizer(const std::string &encoder,
                                               const std::string &merges) {
  return std::make_unique<Gpt2Tokenizer>(encoder, merges);
}

} // namespace fp8c::runtime
