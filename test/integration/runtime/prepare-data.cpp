//===- prepare-data.cpp - prepareData() as a command, for tests -----------===//
//
// Usage: prepare-data TEXT TOKENIZER PREFIX [VALIDATION_SHARE]
//
//===----------------------------------------------------------------------===//

#include "core/PrepareData.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>

using namespace fp8c::runtime;

int main(int argc, char **argv) {
  std::signal(SIGXFSZ, SIG_IGN);
  if (argc < 4)
    return 2;
  try {
    auto tokenizer = createTokenizer(std::string(argv[2]));
    PreparedData data = prepareData(argv[1], *tokenizer, argv[3],
                                    argc > 4 ? std::atof(argv[4]) : 0.1);
    std::printf("%llu %llu\n",
                static_cast<unsigned long long>(data.trainTokens),
                static_cast<unsigned long long>(data.validationTokens));
  } catch (const Error &error) {
    std::fprintf(stderr, "error: %s\nhint: %s\n", error.what(),
                 error.hint().c_str());
    return 1;
  }
}
