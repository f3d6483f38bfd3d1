//===- Sampler.h - Continuing a text ----------------------------*- C++ -*-===//

#ifndef FP8C_RUNTIME_CORE_SAMPLER_H
#define FP8C_RUNTIME_CORE_SAMPLER_H

#include "core/Instance.h"
#include "core/Random.h"
#include "core/Tokenizer.h"

#include <vector>

namespace fp8c::runtime {

struct SampleOptions {
  double temperature = 0.8; ///< 0: always the likeliest token
  int64_t topK = 200;       ///< choose among the likeliest; 0: among all
  uint64_t seed = 1337;
};

/// Picks a token by the logits of `count` tokens; `uniform` is in [0, 1).
/// Throws Error if they are not finite.
Token pickToken(const float *logits, int64_t count,
                const SampleOptions &options, double uniform);

/// Draws tokens from a model with its function `infer`, which sees the last T
/// tokens.
class Sampler {
public:
  /// Draws from the first `vocabulary` tokens only: a model may have more than
  /// its tokenizer.
  Sampler(Instance &instance, const SampleOptions &options, int64_t vocabulary);

  /// The token after `context`, which is not empty.
  Token next(const std::vector<Token> &context);

private:
  SampleOptions options;
  Function infer;
  RandomStream stream;
  int64_t vocabulary;
  uint64_t drawn = 0;
};

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_SAMPLER_H
