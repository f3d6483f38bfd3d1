//===- Tokenizer.h - Between text and tokens --------------------*- C++ -*-===//

#ifndef FP8C_RUNTIME_CORE_TOKENIZER_H
#define FP8C_RUNTIME_CORE_TOKENIZER_H

#include "core/Json.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fp8c::runtime {

using Token = int32_t;

/// A way to write text as tokens. Encoding loses nothing: the tokens' bytes one
/// after the other are the text.
class Tokenizer {
public:
  virtual ~Tokenizer() = default;

  /// Tokens are 0 … size()-1.
  virtual int64_t size() const = 0;

  /// Calls `emit` for each token of a text. What looks like a special token is
  /// ordinary text.
  virtual void encode(std::string_view text,
                      const std::function<void(Token)> &emit) = 0;

  /// The bytes of a token; empty for a number that is none. May be a part of a
  /// UTF-8 character.
  virtual std::string decode(Token token) const = 0;

  /// The token that separates documents, if there is one.
  virtual std::optional<Token> endOfText() const { return std::nullopt; }

  /// What X.tokenizer.json holds.
  virtual OrderedJson description() const = 0;

  std::vector<Token> encode(std::string_view text);

  /// Like encode(), but "<|endoftext|>" stands for that token.
  std::vector<Token> encodePrompt(std::string_view prompt);
};

/// Every byte is a token; 256 of them.
std::unique_ptr<Tokenizer> createByteTokenizer();

/// GPT-2's byte-level BPE, token for token as tiktoken encodes "gpt2".
/// `encoder` is the path of encoder.json, `merges` that of vocab.bpe. Throws
/// Error if they cannot be read or do not belong together.
std::unique_ptr<Tokenizer> createGpt2Tokenizer(const std::string &encoder,
                                               const std::string &merges);

/// The tokenizer a user names: "bytes", or a folder with encoder.json and
/// vocab.bpe.
std::unique_ptr<Tokenizer> createTokenizer(const std::string &name);

/// The tokenizer of a description, whose paths are absolute. `file` is where
/// the description comes from, for errors.
std::unique_ptr<Tokenizer> createTokenizer(const Json &description,
                                           const std::string &file);

/// Where the description of a token file's tokenizer is kept: beside it,
/// X.tokenizer.json for X.train.bin, X.val.bin and X.bin.
std::string tokenizerPathOf(const std::string &tokenFile);

/// The description beside a token file with its paths made absolute, or null
/// if there is none.
Json readTokenizerOf(const std::string &tokenFile);

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_TOKENIZER_H
