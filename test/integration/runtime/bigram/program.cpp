//===- program.cpp - A program written by hand, for tests of the runtime --===//
//
// A bigram model: the logits of the next token are row x of a 256x256 table.
// It does all that the contract asks of a compiled program, in one page.
//
// BIGRAM_NAN=FIRST-LAST   makes the gradients of those steps NaN
// BIGRAM_SLEEP=MS         makes every micro-batch take longer
//
//===----------------------------------------------------------------------===//

#include "core/ProgramABI.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <unistd.h>

namespace {

constexpr int64_t vocab = 256, batch = 4, seq = 8, size = vocab * vocab;

enum Hyper { lr, beta1, beta2, eps, weightDecay, clipNorm, step, gradScale };

struct Variables {
  float table[size], gradient[size], moment1[size], moment2[size];
  float calibrations[4];
};

Variables &variablesOf(const Fp8cCall *call) {
  return *reinterpret_cast<Variables *>(call->variables);
}

/// Mean loss over the targets that count; adds gradients if asked to.
float loss(const Fp8cCall *call, bool backward) {
  Variables &v = variablesOf(call);
  auto *tokens = static_cast<const int64_t *>(call->inputs[0]);
  auto *targets = static_cast<const int64_t *>(call->inputs[1]);
  auto *probabilities = reinterpret_cast<float *>(call->arena);
  if (backward && !call->accumulate)
    std::fill_n(v.gradient, size, 0.0f);
  int64_t counted = std::count_if(targets, targets + batch * seq,
                                  [](int64_t target) { return target >= 0; });
  double sum = 0;
  for (int64_t i = 0; i < batch * seq; ++i) {
    if (targets[i] < 0)
      continue;
    const float *row = v.table + tokens[i] * vocab;
    float largest = *std::max_element(row, row + vocab), total = 0;
    for (int64_t j = 0; j < vocab; ++j)
      total += probabilities[j] = std::exp(row[j] - largest);
    sum += std::log(total) + largest - row[targets[i]];
    if (!backward)
      continue;
    float scale = call->hyper[gradScale] / static_cast<float>(counted);
    for (int64_t j = 0; j < vocab; ++j)
      v.gradient[tokens[i] * vocab + j] +=
          scale * (probabilities[j] / total - (j == targets[i] ? 1.0f : 0.0f));
  }
  return static_cast<float>(sum / static_cast<double>(counted));
}

bool shallBeNaN(float now) {
  int first = 0, last = 0;
  const char *range = std::getenv("BIGRAM_NAN");
  return range && std::sscanf(range, "%d-%d", &first, &last) == 2 &&
         now >= static_cast<float>(first) && now <= static_cast<float>(last);
}

} // namespace

extern "C" {

int fp8c_program_abi() { return FP8C_PROGRAM_ABI; }

void fp8c_init(const Fp8cCall *) {}

void fp8c_calibrate(const Fp8cCall *call) {
  variablesOf(call).calibrations[0] += 1;
}

void fp8c_micro(const Fp8cCall *call) {
  if (const char *milliseconds = std::getenv("BIGRAM_SLEEP"))
    usleep(static_cast<useconds_t>(1000 * std::atof(milliseconds)));
  *static_cast<float *>(call->outputs[0]) = loss(call, /*backward=*/true);
}

void fp8c_eval(const Fp8cCall *call) {
  *static_cast<float *>(call->outputs[0]) = loss(call, /*backward=*/false);
}

void fp8c_update(const Fp8cCall *call) {
  Variables &v = variablesOf(call);
  const float *h = call->hyper;
  double squares = 0;
  for (float g : v.gradient)
    squares += static_cast<double>(g) * g;
  auto norm = static_cast<float>(std::sqrt(squares));
  if (shallBeNaN(h[step]))
    norm = NAN;
  float clip = h[clipNorm] > 0 ? std::min(1.0f, h[clipNorm] / norm) : 1.0f;
  float correction1 = 1 - std::pow(h[beta1], h[step]);
  float correction2 = 1 - std::pow(h[beta2], h[step]);
  for (int64_t i = 0; i < size && std::isfinite(norm); ++i) {
    float g = v.gradient[i] * clip;
    v.moment1[i] = h[beta1] * v.moment1[i] + (1 - h[beta1]) * g;
    v.moment2[i] = h[beta2] * v.moment2[i] + (1 - h[beta2]) * g * g;
    float direction = v.moment1[i] / correction1 /
                      (std::sqrt(v.moment2[i] / correction2) + h[eps]);
    v.table[i] -= h[lr] * (direction + h[weightDecay] * v.table[i]);
  }
  *static_cast<float *>(call->outputs[0]) = norm;
}

void fp8c_infer(const Fp8cCall *call) {
  auto *tokens = static_cast<const int64_t *>(call->inputs[0]);
  auto *logits = static_cast<float *>(call->outputs[0]);
  for (int64_t i = 0; i < seq; ++i)
    std::copy_n(variablesOf(call).table + tokens[i] * vocab, vocab,
                logits + i * vocab);
}
}
