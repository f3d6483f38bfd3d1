//===- Batches.h - Cutting a token file into batches ------------*- C++ -*-===//

#ifndef FP8C_RUNTIME_CORE_BATCHES_H
#define FP8C_RUNTIME_CORE_BATCHES_H

#include "core/LabelFile.h"
#include "core/Manifest.h"
#include "core/Random.h"

namespace fp8c::runtime {

/// Rows × tokens of one micro-batch, the tokens there are, and what is a label.
struct BatchShape {
  int64_t rows = 0, seq = 0, vocab = 0;
  /// None: the program makes its labels from the tokens, and shifts them.
  InputRole labels = InputRole::LabelsNext;
  int64_t classes = 0;             ///< labels are below it; 0: not known
  int64_t ignored = -100;          ///< the label that stands where none counts
  std::optional<int64_t> pad = {}; ///< the token that is no label

  /// Labels that a row has at most.
  int64_t labelsPerRow() const {
    return labels == InputRole::LabelsNext || labels == InputRole::Labels
               ? seq
               : seq - 1;
  }
};

/// Cuts rows of tokens and labels out of a file, or of one of labels beside it.
/// A label does not count, and is given as `ignored`, where it is negative or
/// `ignored` in the file, or stands for a token that pads.
class Rows {
public:
  Rows(const TokenFile &file, const LabelFile *labels, const BatchShape &shape)
      : file(file), labelFile(labels), shape(shape) {}

protected:
  /// Fills a row with the `used` tokens from `first` on, and what pads it
  /// behind them; those before `fresh` get no label. Returns how many labels
  /// count. Throws Error for tokens and labels that the program does not have.
  uint64_t fillRow(uint64_t first, uint64_t used, uint64_t fresh,
                   int64_t *tokens, int64_t *labels) const;

  const TokenFile &file;
  const LabelFile *labelFile;
  BatchShape shape;

private:
  int64_t labelOf(uint64_t place, int64_t token) const;
};

/// Random windows for training. The rows of a step are numbered through; chunk
/// i are those from i * rows on, for a process's share of a micro-batch. Which
/// window a row gets is a pure function of (seed, step, number): a resumed run
/// sees the same data, and so does the same model under another recipe, or
/// divided into other micro-batches or among other processes.
class TrainingBatches : Rows {
public:
  /// Throws Error if the file is shorter than one micro-batch.
  TrainingBatches(const TokenFile &file, const BatchShape &shape, uint64_t seed,
                  const LabelFile *labels = nullptr);

  /// Fills [rows, seq] tokens and their labels, and returns how many of them
  /// count. `step` counts from 1, `chunk` from 0.
  uint64_t fill(int64_t step, int64_t chunk, int64_t *tokens,
                int64_t *labels) const;

  /// How many labels of a chunk count.
  uint64_t count(int64_t step, int64_t chunk) const;

private:
  RandomStream stream;
};

/// The windows of a file one after the other, for evaluation: every label, of
/// next tokens all but the first, counts exactly once. What the file does not
/// fill is marked with ignored labels.
class SequentialBatches : Rows {
public:
  static constexpr int64_t ignoredTarget = BatchShape().ignored;

  /// Throws Error if the file has no label, or less than a row whose labels
  /// depend on all of its tokens.
  SequentialBatches(const TokenFile &file, const BatchShape &shape,
                    const LabelFile *labels = nullptr);

  uint64_t count() const; ///< batches in the file

  /// Fills batch `index` and returns how many of its labels count.
  uint64_t fill(uint64_t index, int64_t *tokens, int64_t *labels) const;

private:
  uint64_t fillNext(uint64_t row, int64_t *tokens, int64_t *labels) const;
};

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_BATCHES_H
