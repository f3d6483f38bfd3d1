//===- Batches.cpp - Cutting a token file into batches --------------------===//

#include "core/Batches.h"

#include "core/Error.h"
#include "core/Text.h"

#include <algorithm>
#include <vector>

namespace fp8c::runtime {

int64_t Rows::labelOf(uint64_t place, int64_t token) const {
  const int64_t label = labelFile ? labelFile->at(place, shape.classes) : token;
  const bool counts =
      label >= 0 && label != shape.ignored && token != shape.pad;
  return counts ? label : shape.ignored;
}

uint64_t Rows::fillRow(uint64_t first, uint64_t used, uint64_t fresh,
                       int64_t *tokens, int64_t *labels) const {
  const auto seq = static_cast<uint64_t>(shape.seq);
  const uint64_t shift = shape.labels == InputRole::LabelsNext;
  std::vector<int64_t> window(used ? used + shift : 0);
  file.copy(first, window.size(), shape.vocab, window.data());
  std::copy_n(window.begin(), used, tokens);
  std::fill(tokens + used, tokens + seq, shape.pad.value_or(0));
  if (!labels) // the program shifts its tokens: the first is no label
    return used ? used - 1 : 0;
  uint64_t counted = 0;
  for (uint64_t i = 0; i < seq; ++i) {
    labels[i] = i < fresh || i >= used
                    ? shape.ignored
                    : labelOf(first + i + shift, window[i + shift]);
    const bool isLost = i == 0 && shape.labels == InputRole::LabelsTokens;
    counted += labels[i] != shape.ignored && !isLost;
  }
  return counted;
}

TrainingBatches::TrainingBatches(const TokenFile &file, const BatchShape &shape,
                                 uint64_t seed, const LabelFile *labels)
    : Rows(file, labels, shape), stream(seed, "data") {
  const bool next = shape.labels == InputRole::LabelsNext;
  if (file.size() < static_cast<uint64_t>(shape.rows * shape.seq) + next)
    throw Error::inFile(
        file.path(),
        concat("has ", withThousands(static_cast<int64_t>(file.size())),
               " tokens, too few for one batch of ", withThousands(shape.rows),
               " x ", withThousands(shape.seq),
               next ? " and the token after it" : ""),
        "use more data, or compile with a smaller batch or sequence length");
}

uint64_t TrainingBatches::fill(int64_t step, int64_t chunk, int64_t *tokens,
                               int64_t *labels) const {
  const auto seq = static_cast<uint64_t>(shape.seq);
  const uint64_t needed = seq + (shape.labels == InputRole::LabelsNext);
  uint64_t counted = 0;
  for (int64_t row = 0; row < shape.rows; ++row) {
    uint64_t first =
        stream.below(file.size() - needed + 1, static_cast<uint64_t>(step), 0,
                     static_cast<uint32_t>(chunk * shape.rows + row));
    counted += fillRow(first, seq, 0, tokens + row * shape.seq,
                       labels ? labels + row * shape.seq : nullptr);
  }
  return counted;
}

uint64_t TrainingBatches::count(int64_t step, int64_t chunk) const {
  if (!labelFile && !shape.pad && shape.ignored < 0)
    return static_cast<uint64_t>(shape.rows * shape.labelsPerRow());
  const auto size = static_cast<size_t>(shape.rows * shape.seq);
  std::vector<int64_t> tokens(size), labels(size);
  return fill(step, chunk, tokens.data(),
              shape.labels == InputRole::None ? nullptr : labels.data());
}

/// Labels that a file has, whether they count or not.
static uint64_t labelsIn(const TokenFile &file, const BatchShape &shape) {
  const uint64_t perBatch = static_cast<uint64_t>(shape.rows * shape.seq);
  if (shape.labels == InputRole::None) // no label can be left out: full batches
    return file.size() / perBatch *
           static_cast<uint64_t>(shape.rows * shape.labelsPerRow());
  return shape.labels == InputRole::Labels ? file.size() : file.size() - 1;
}

SequentialBatches::SequentialBatches(const TokenFile &file,
                                     const BatchShape &shape,
                                     const LabelFile *labels)
    : Rows(file, labels, shape) {
  const bool needsRow = shape.labels == InputRole::Labels && !shape.pad;
  if (labelsIn(file, shape) == 0 ||
      (needsRow && file.size() < static_cast<uint64_t>(shape.seq)))
    throw Error::inFile(file.path(), "has too few tokens to predict any");
}

uint64_t SequentialBatches::count() const {
  const auto perBatch =
      static_cast<uint64_t>(shape.rows * shape.labelsPerRow());
  return (labelsIn(file, shape) + perBatch - 1) / perBatch;
}

/// The window in which the labels of the row-th part of the file stand.
uint64_t SequentialBatches::fillNext(uint64_t row, int64_t *tokens,
                                     int64_t *labels) const {
  const auto seq = static_cast<uint64_t>(shape.seq);
  // Where the program shifts, the last token of a row begins the next one.
  const bool overlaps = shape.labels == InputRole::LabelsTokens;
  uint64_t first = row * (overlaps ? seq - 1 : seq);
  const uint64_t end =
      file.size() - (shape.labels == InputRole::LabelsNext ? 1 : 0);
  first = std::min(first, end);
  uint64_t used = std::min(seq, end - first), fresh = 0;
  // An encoder's labels depend on what follows them: a last row is full.
  if (shape.labels == InputRole::Labels && used && used < seq && !shape.pad) {
    fresh = seq - used;
    first -= fresh;
    used = seq;
  }
  return fillRow(first, used, fresh, tokens, labels);
}

uint64_t SequentialBatches::fill(uint64_t index, int64_t *tokens,
                                 int64_t *labels) const {
  uint64_t counted = 0;
  for (int64_t row = 0; row < shape.rows; ++row)
    counted += fillNext(
        index * static_cast<uint64_t>(shape.rows) + static_cast<uint64_t>(row),
        tokens + row * shape.seq, labels ? labels + row * shape.seq : nullptr);
  return counted;
}

} // namespace fp8c::runtime
