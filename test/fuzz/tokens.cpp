//===- tokens.cpp - Fuzzes the reader of token files ----------------------===//
//
// The input is a token file and what stands beside it: its tokenizer's
// description.
//
//===----------------------------------------------------------------------===//

#include "Fuzz.h"
#include "core/TokenFile.h"
#include "core/Tokenizer.h"

using namespace fp8c;
using namespace fp8c::runtime;

static constexpr int64_t kVocabulary = 300;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  auto files = fuzz::splitFiles(fuzz::text(data, size), 2);
  std::string path = fuzz::folder().write("x.train.bin", files[0]);
  fuzz::folder().write("x.tokenizer.json", files[1]);
  fuzz::mayRefuse([&] {
    TokenFile tokens(path);
    fuzz::require(tokens.size() > 0 && 2 * tokens.size() <= files[0].size(),
                  "tokens lie in the file");
    std::vector<int64_t> copy(tokens.size());
    bool isRefused = true;
    fuzz::mayRefuse([&] {
      tokens.checkVocabulary(kVocabulary);
      isRefused = false;
    });
    for (uint64_t i = 0; i < tokens.size(); ++i)
      isRefused |= tokens[i] >= kVocabulary;
    fuzz::mayRefuse([&] {
      tokens.copy(0, tokens.size(), kVocabulary, copy.data());
      fuzz::require(!isRefused, "copying refuses what checking refuses");
      fuzz::require(copy.back() == tokens[tokens.size() - 1],
                    "the copy is the file");
    });
  });
  fuzz::mayRefuse([&] {
    Json description = readTokenizerOf(path);
    // A description names files: of all files, "bytes" needs none.
    if (description.is_object() && !description.contains("encoder"))
      createTokenizer(description, tokenizerPathOf(path));
  });
  return 0;
}
