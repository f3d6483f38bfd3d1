//===- vocabulary.cpp - Fuzzes the reader of a BPE vocabulary -------------===//
//
// The input is encoder.json, vocab.bpe and a text to encode.
//
//===----------------------------------------------------------------------===//

#include "Fuzz.h"
#include "core/Tokenizer.h"

using namespace fp8c;
using namespace fp8c::runtime;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  auto files = fuzz::splitFiles(fuzz::text(data, size), 3);
  std::string encoder = fuzz::folder().write("encoder.json", files[0]);
  std::string merges = fuzz::folder().write("vocab.bpe", files[1]);
  fuzz::mayRefuse([&] {
    std::unique_ptr<Tokenizer> tokenizer = createGpt2Tokenizer(encoder, merges);
    std::string decoded;
    for (Token token : tokenizer->encode(files[2])) {
      fuzz::require(token >= 0 && token < tokenizer->size(),
                    "tokens are numbers of the vocabulary");
      decoded += tokenizer->decode(token);
    }
    fuzz::require(decoded == files[2], "encoding loses nothing");
    tokenizer->encodePrompt(files[2]);
  });
  return 0;
}
