//===- Tokenizer.cpp - Between text and tokens ----------------------------===//

#include "core/Tokenizer.h"

#include "core/FileSystem.h"

#include <filesystem>

namespace fp8c::runtime {
namespace {

class ByteTokenizer final : public Tokenizer {
public:
  int64_t size() const override { return 256; }
  void encode(std::string_view text,
              const std::function<void(Token)> &emit) override {
    for (unsigned char byte : text)
      emit(byte);
  }
  std::string decode(Token token) const override {
    return token >= 0 && token < 256 ? std::string(1, static_cast<char>(token))
                                     : "";
  }
  OrderedJson description() const override { return {{"tokenizer", "bytes"}}; }
};

bool removeSuffix(std::string &text, const std::string &suffix) {
  if (text.size() < suffix.size() ||
      text.compare(text.size() - suffix.size(), suffix.size(), suffix) != 0)
    return false;
  text.resize(text.size() - suffix.size());
  return true;
}

} // namespace

std::vector<Token> Tokenizer::encode(std::string_view text) {
  std::vector<Token> tokens;
  encode(text, [&](Token token) { tokens.push_back(token); });
  return tokens;
}

std::vector<Token> Tokenizer::encodePrompt(std::string_view prompt) {
  constexpr std::string_view special = "<|endoftext|>";
  std::vector<Token> tokens;
  auto append = [&](Token token) { tokens.push_back(token); };
  std::optional<Token> separator = endOfText();
  for (size_t at; separator && (at = prompt.find(special)) != prompt.npos;) {
    encode(prompt.substr(0, at), append);
    append(*separator);
    prompt.remove_prefix(at + special.size());
  }
  encode(prompt, append);
  return tokens;
}

std::unique_ptr<Tokenizer> createByteTokenizer() {
  return std::make_unique<ByteTokenizer>();
}

std::unique_ptr<Tokenizer> createTokenizer(const std::string &name) {
  if (name == "bytes")
    return createByteTokenizer();
  if (!exists(name))
    throw Error::inFile(name, "no such tokenizer",
                        "name \"bytes\", or a folder with encoder.json and "
                        "vocab.bpe");
  std::string folder = absolutePath(name);
  return createGpt2Tokenizer(folder + "/encoder.json", folder + "/vocab.bpe");
}

std::unique_ptr<Tokenizer> createTokenizer(const Json &description,
                                           const std::string &file) {
  JsonField root(description, file);
  std::string kind = root.at("tokenizer").string();
  if (kind == "bytes")
    return createByteTokenizer();
  if (kind == "gpt2")
    return createGpt2Tokenizer(root.at("encoder").string(),
                               root.at("merges").string());
  throw root.at("tokenizer").error("unknown tokenizer \"" + kind + "\"");
}

std::string tokenizerPathOf(const std::string &tokenFile) {
  std::string stem = tokenFile;
  removeSuffix(stem, ".bin");
  if (!removeSuffix(stem, ".train"))
    removeSuffix(stem, ".val");
  return stem + ".tokenizer.json";
}

Json readTokenizerOf(const std::string &tokenFile) {
  std::string path = tokenizerPathOf(tokenFile);
  if (!exists(path))
    return nullptr;
  Json description = readJson(path);
  JsonField root(description, path);
  std::filesystem::path folder = std::filesystem::path(path).parent_path();
  for (const char *key : {"encoder", "merges"})
    if (root.has(key)) // an absolute path stays as it is
      description[key] = absolutePath(folder / root.at(key).string());
  return description;
}

} // namespace fp8c::runtime
