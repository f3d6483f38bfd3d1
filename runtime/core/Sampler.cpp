//===- Sampler.cpp - Continuing a text ------------------------------------===//

#include "core/Sampler.h"

#include "core/Error.h"
#include "core/Text.h"

#include <algorithm>
#include <cmath>

namespace fp8c::runtime {

Token pickToken(const float *logits, int64_t count,
                const SampleOptions &options, double uniform) {
  for (int64_t i = 0; i < count; ++i)
    if (!std::isfinite(logits[i]))
      throw Error(concat("the model's logit of token ", i, " is not finite"),
                  "the weights are damaged, or training diverged");
  const float *likeliest = std::max_element(logits, logits + count);
  if (options.temperature <= 0)
    return static_cast<Token>(likeliest - logits);

  // Tokens as likely as the k-th stay in, so that order cannot matter.
  float threshold = -HUGE_VALF;
  if (options.topK > 0 && options.topK < count) {
    std::vector<float> sorted(logits, logits + count);
    auto kth = sorted.begin() + (options.topK - 1);
    std::nth_element(sorted.begin(), kth, sorted.end(), std::greater<>());
    threshold = *kth;
  }
  std::vector<double> cumulative(static_cast<size_t>(count));
  double total = 0;
  for (int64_t i = 0; i < count; ++i) {
    if (logits[i] >= threshold)
      total += std::exp((static_cast<double>(logits[i]) - *likeliest) /
                        options.temperature);
    cumulative[static_cast<size_t>(i)] = total;
  }
  auto chosen =
      std::upper_bound(cumulative.begin(), cumulative.end(), uniform * total);
  if (chosen == cumulative.end()) // rounding; the likeliest is never wrong
    return static_cast<Token>(likeliest - logits);
  return static_cast<Token>(chosen - cumulative.begin());
}

Sampler::Sampler(Instance &instance, const SampleOptions &options,
                 int64_t vocabulary)
    : options(options), infer(instance, "infer"),
      stream(options.seed, "sample"), vocabulary(vocabulary) {
  const HostTensor *tokens = infer.tokens();
  if (!tokens || !infer.signature().logits() || infer.inputs().size() != 1 ||
      tokens->spec().shape[0] != 1)
    throw Error("the program's function infer is not one of a language model: "
                "it has to take tokens [1, T] and give logits [1, T, V]");
  int64_t known = instance.manifest().model.vocab;
  if (known > 0)
    this->vocabulary = std::min(this->vocabulary, known);
  this->vocabulary = std::min(this->vocabulary, infer.logits().spec().shape[2]);
}

Token Sampler::next(const std::vector<Token> &context) {
  HostTensor &input = *infer.tokens();
  HostTensor &output = infer.logits();
  auto length = static_cast<size_t>(input.spec().shape[1]);
  size_t used = std::min(context.size(), length);
  auto *tokens = input.as<int64_t>();
  std::copy(context.end() - static_cast<std::ptrdiff_t>(used), context.end(),
            tokens);
  // The model is causal: what comes after the context cannot matter.
  std::fill(tokens + used, tokens + length, 0);
  infer.run();
  const float *logits =
      output.as<float>() +
      (used - 1) * static_cast<size_t>(output.spec().shape[2]);
  return pickToken(logits, vocabulary, options, stream.uniform(drawn++));
}

} // namespace fp8c::runtime
