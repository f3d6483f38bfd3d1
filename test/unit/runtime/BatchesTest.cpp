//===- BatchesTest.cpp ----------------------------------------------------===//

#include "core/Batches.h"

#include "TestFiles.h"

#include <numeric>
#include <set>

using namespace fp8c::runtime;

namespace {

std::vector<uint16_t> counting(size_t count) {
  std::vector<uint16_t> tokens(count);
  std::iota(tokens.begin(), tokens.end(), 0);
  return tokens;
}

constexpr BatchShape shape = {2, 4, 1000}; // rows, seq, vocab

struct Batch {
  std::vector<int64_t> tokens = std::vector<int64_t>(8);
  std::vector<int64_t> targets = std::vector<int64_t>(8);
};

Batch training(const TrainingBatches &batches, int64_t step, int64_t micro) {
  Batch batch;
  batches.fill(step, micro, batch.tokens.data(), batch.targets.data());
  return batch;
}

} // namespace

TEST(TrainingBatches, TargetsAreTheNextTokens) {
  TestFolder folder;
  TokenFile file(folder.write("t", counting(100)));
  TrainingBatches batches(file, shape, 1);
  Batch batch = training(batches, 1, 0);
  for (size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(batch.targets[i], batch.tokens[i] + 1);
    if (i % 4) {
      EXPECT_EQ(batch.tokens[i], batch.tokens[i - 1] + 1);
    }
  }
}

TEST(TrainingBatches, AreAFunctionOfStepAndMicroBatch) {
  TestFolder folder;
  TokenFile file(folder.write("t", counting(1000)));
  TrainingBatches batches(file, shape, 1), again(file, shape, 1),
      other(file, shape, 2);
  EXPECT_EQ(training(batches, 7, 3).tokens, training(again, 7, 3).tokens);
  EXPECT_NE(training(batches, 7, 3).tokens, training(batches, 8, 3).tokens);
  EXPECT_NE(training(batches, 7, 3).tokens, training(batches, 7, 4).tokens);
  EXPECT_NE(training(batches, 7, 3).tokens, training(other, 7, 3).tokens);
}

TEST(TrainingBatches, ReachEveryWindow) {
  TestFolder folder;
  TokenFile file(folder.write("t", counting(9)));
  TrainingBatches batches(file, shape, 1);
  std::set<int64_t> starts;
  for (int64_t step = 1; step <= 100; ++step)
    starts.insert(training(batches, step, 0).tokens[0]);
  EXPECT_EQ(starts, (std::set<int64_t>{0, 1, 2, 3, 4}));
}

TEST(TrainingBatches, NeedOneBatch) {
  TestFolder folder;
  TokenFile enough(folder.write("a", counting(9)));
  TokenFile tooFew(folder.write("b", counting(8)));
  EXPECT_NO_THROW(TrainingBatches(enough, shape, 1));
  EXPECT_ERROR("has 8 tokens, too few for one batch of 2 x 4",
               TrainingBatches(tooFew, shape, 1));
}

TEST(SequentialBatches, EveryTokenIsATargetOnce) {
  TestFolder folder;
  for (size_t size : {2, 8, 9, 10, 17, 21}) {
    TokenFile file(folder.write("t", counting(size)));
    SequentialBatches batches(file, shape);
    int64_t next = 1;
    for (uint64_t i = 0; i < batches.count(); ++i) {
      Batch batch;
      uint64_t used =
          batches.fill(i, batch.tokens.data(), batch.targets.data());
      ASSERT_GT(used, 0u);
      for (size_t j = 0; j < 8; ++j) {
        if (j >= used) {
          EXPECT_EQ(batch.targets[j], SequentialBatches::ignoredTarget);
          continue;
        }
        EXPECT_EQ(batch.targets[j], next++);
        EXPECT_EQ(batch.tokens[j], batch.targets[j] - 1);
      }
    }
    EXPECT_EQ(next, static_cast<int64_t>(size));
  }
}
