//===- Batches.h - Cutting a token file into batches ------------*- C++ -*-===//

#ifndef FP8C_RUNTIME_CORE_BATCHES_H
#define FP8C_RUNTIME_CORE_BATCHES_H

#include "core/Random.h"
#include "core/TokenFile.h"

namespace fp8c::runtime {

/// Rows × tokens of one micro-batch, and the tokens there are.
struct BatchShape {
  int64_t rows = 0, seq = 0, vocab = 0;
};

/// Random windows for training. Which window a row gets is a pure function of
/// (seed, step, micro-batch, row): a resumed run sees the same data, and so
/// does the same model under another recipe.
class TrainingBatches {
public:
  /// Throws Error if the file is shorter than one window (seq + 1 tokens).
  TrainingBatches(const TokenFile &file, BatchShape shape, uint64_t seed);

  /// Fills [rows, seq] tokens and targets, the targets being the next tokens.
  /// `step` counts from 1, `microBatch` from 0.
  void fill(int64_t step, int64_t microBatch, int64_t *tokens,
            int64_t *targets) const;

private:
  const TokenFile &file;
  BatchShape shape;
  RandomStream stream;
};

/// The windows of a file one after the other, for evaluation: every token but
/// the first is a target exactly once. What the file does not fill is marked
/// with ignored targets.
class SequentialBatches {
public:
  static constexpr int64_t ignoredTarget = -100;

  /// Throws Error if the file has fewer than two tokens.
  SequentialBatches(const TokenFile &file, BatchShape shape);

  uint64_t count() const; ///< batches in the file

  /// Fills batch `index` and returns how many of its targets count.
  uint64_t fill(uint64_t index, int64_t *tokens, int64_t *targets) const;

private:
  const TokenFile &file;
  BatchShape shape;
};

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_BATCHES_H
