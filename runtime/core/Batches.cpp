//===- Batches.cpp - Cutting a token file into batches --------------------===//

#include "core/Batches.h"

#include "core/Error.h"
#include "core/Text.h"

#include <algorithm>
#include <vector>

namespace fp8c::runtime {

TrainingBatches::TrainingBatches(const TokenFile &file, BatchShape shape,
                                 uint64_t seed)
    : file(file), shape(shape), stream(seed, "data") {
  if (file.size() < static_cast<uint64_t>(shape.rows * shape.seq) + 1)
    throw Error::inFile(
        file.path(),
        concat("has ", withThousands(static_cast<int64_t>(file.size())),
               " tokens, too few for one batch of ", withThousands(shape.rows),
               " x ", withThousands(shape.seq), " and the token after it"),
        "use more data, or compile with a smaller batch or sequence length");
}

void TrainingBatches::fill(int64_t step, int64_t microBatch, int64_t *tokens,
                           int64_t *targets) const {
  auto seq = static_cast<uint64_t>(shape.seq);
  std::vector<int64_t> window(seq + 1);
  for (int64_t row = 0; row < shape.rows; ++row) {
    uint64_t first = stream.below(
        file.size() - seq, static_cast<uint64_t>(step),
        static_cast<uint32_t>(microBatch), static_cast<uint32_t>(row));
    file.copy(first, seq + 1, shape.vocab, window.data());
    std::copy_n(window.begin(), seq, tokens + row * shape.seq);
    std::copy_n(window.begin() + 1, seq, targets + row * shape.seq);
  }
}

SequentialBatches::SequentialBatches(const TokenFile &file, BatchShape shape)
    : file(file), shape(shape) {
  if (file.size() < 2)
    throw Error::inFile(file.path(), "has too few tokens to predict any");
}

uint64_t SequentialBatches::count() const {
  auto perBatch = static_cast<uint64_t>(shape.rows * shape.seq);
  return (file.size() - 1 + perBatch - 1) / perBatch;
}

uint64_t SequentialBatches::fill(uint64_t index, int64_t *tokens,
                                 int64_t *targets) const {
  auto perBatch = static_cast<uint64_t>(shape.rows * shape.seq);
  // Rows follow each other in the file, so a batch is one long window.
  uint64_t first = index * perBatch;
  uint64_t used = std::min(perBatch, file.size() - 1 - first);
  file.copy(first, used, shape.vocab, tokens);
  file.copy(first + 1, used, shape.vocab, targets);
  std::fill(tokens + used, tokens + perBatch, 0);
  std::fill(targets + used, targets + perBatch, ignoredTarget);
  return used;
}

} // namespace fp8c::runtime
