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

TEST(TrainingBatches, AreTheSameHoweverAStepIsDivided) {
  TestFolder folder;
  TokenFile file(folder.write("x.bin", counting(1000)));
  BatchShape small = shape, large = shape;
  large.rows = 3 * small.rows;
  const auto tokens = [&](const BatchShape &of, int64_t chunk) {
    std::vector<int64_t> all(static_cast<size_t>(of.rows * of.seq)),
        labels(all.size());
    TrainingBatches(file, of, 1).fill(7, chunk, all.data(), labels.data());
    return all;
  };
  std::vector<int64_t> joined;
  for (const int64_t chunk : {0, 1, 2}) {
    const std::vector<int64_t> part = tokens(small, chunk);
    joined.insert(joined.end(), part.begin(), part.end());
  }
  EXPECT_EQ(joined, tokens(large, 0));
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

//===----------------------------------------------------------------------===//
// Labels
//===----------------------------------------------------------------------===//

namespace {

/// The tokens 0, 1, 2, … and labels that are 500 more, but where `ignored`.
struct Labelled {
  TestFolder folder;
  TokenFile tokens;
  std::vector<int32_t> values;
  LabelFile labels;

  explicit Labelled(size_t count, std::set<size_t> ignored = {})
      : tokens(folder.write("t", counting(count))), values(count),
        labels(write(ignored), tokens) {}

  std::string write(const std::set<size_t> &ignored) {
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = ignored.count(i) ? -7 : static_cast<int32_t>(i) + 500;
    return folder.write(
        "l", std::string(reinterpret_cast<const char *>(values.data()),
                         values.size() * sizeof(int32_t)));
  }
};

BatchShape shapeOf(InputRole labels) {
  BatchShape result = shape;
  result.labels = labels;
  result.classes = 1000;
  return result;
}

} // namespace

TEST(LabelFile, HasALabelForEachToken) {
  TestFolder folder;
  TokenFile tokens(folder.write("t", counting(3)));
  EXPECT_ERROR("has 6 bytes, but the 3 tokens",
               LabelFile(folder.write("a", counting(3)), tokens));
  LabelFile labels(
      folder.write("b", std::vector<uint16_t>{1, 0, 7, 0, 0xff9c, 0xffff}),
      tokens);
  EXPECT_EQ(labels.at(0, 2), 1);
  EXPECT_EQ(labels.at(2, 2), -100);
  EXPECT_EQ(labels.check(8), 2u);
  EXPECT_ERROR("label 7 at position 1 is none of the model's 7 classes",
               labels.check(7));
  EXPECT_EQ(openLabels("", tokens), nullptr);
}

TEST(TrainingBatches, TakeLabelsFromAFile) {
  Labelled data(100, {3, 4, 50, 51, 52, 53, 54, 55});
  for (InputRole role :
       {InputRole::LabelsNext, InputRole::LabelsTokens, InputRole::Labels}) {
    TrainingBatches batches(data.tokens, shapeOf(role), 1, &data.labels);
    const int64_t shift = role == InputRole::LabelsNext;
    for (int64_t step = 1; step < 40; ++step) {
      Batch batch;
      uint64_t counted = 0;
      EXPECT_EQ(
          batches.fill(step, 0, batch.tokens.data(), batch.targets.data()),
          batches.count(step, 0));
      for (size_t i = 0; i < 8; ++i) {
        const auto place = static_cast<size_t>(batch.tokens[i] + shift);
        const int32_t expected = data.values[place];
        EXPECT_EQ(batch.targets[i], expected < 0 ? -100 : expected);
        // The first column is lost where the program shifts.
        counted +=
            expected >= 0 && (role != InputRole::LabelsTokens || i % 4 != 0);
      }
      EXPECT_EQ(batches.count(step, 0), counted);
    }
  }
}

TEST(TrainingBatches, WhatPadsIsNoLabel) {
  TestFolder folder;
  TokenFile file(folder.write("t", counting(9)));
  BatchShape padded = shape;
  padded.pad = 3;
  padded.ignored = 6; // the loss ignores it
  TrainingBatches batches(file, padded, 1);
  for (int64_t step = 1; step < 20; ++step) {
    Batch batch = training(batches, step, 0);
    uint64_t counted = 0;
    for (size_t i = 0; i < 8; ++i) {
      const int64_t next = batch.tokens[i] + 1;
      EXPECT_EQ(batch.targets[i], next == 3 ? 6 : next);
      counted += next != 3 && next != 6;
    }
    EXPECT_EQ(batches.count(step, 0), counted);
  }
}

TEST(SequentialBatches, EveryLabelOfAFileOnce) {
  for (InputRole role :
       {InputRole::LabelsNext, InputRole::LabelsTokens, InputRole::Labels})
    for (size_t size : {4, 5, 8, 9, 10, 17, 21}) {
      Labelled data(size);
      SequentialBatches batches(data.tokens, shapeOf(role), &data.labels);
      std::multiset<int64_t> found, expected;
      uint64_t counted = 0;
      for (uint64_t i = 0; i < batches.count(); ++i) {
        Batch batch;
        counted += batches.fill(i, batch.tokens.data(), batch.targets.data());
        for (size_t j = 0; j < 8; ++j) {
          if (batch.targets[j] < 0 ||
              (role == InputRole::LabelsTokens && j % 4 == 0))
            continue;
          found.insert(batch.targets[j]);
          const int64_t shift = role == InputRole::LabelsNext;
          EXPECT_EQ(batch.targets[j], batch.tokens[j] + shift + 500);
        }
      }
      const bool isFirst = role == InputRole::Labels; // has the first a label?
      for (size_t i = isFirst ? 0 : 1; i < size; ++i)
        expected.insert(static_cast<int64_t>(i) + 500);
      EXPECT_EQ(found, expected) << size;
      EXPECT_EQ(counted, expected.size());
    }
}

TEST(SequentialBatches, AnEncodersRowsAreFull) {
  Labelled data(6);
  SequentialBatches batches(data.tokens, shapeOf(InputRole::Labels),
                            &data.labels);
  Batch batch;
  EXPECT_EQ(batches.fill(0, batch.tokens.data(), batch.targets.data()), 6u);
  EXPECT_EQ(batch.tokens, (std::vector<int64_t>{0, 1, 2, 3, 2, 3, 4, 5}));
  EXPECT_EQ(batch.targets,
            (std::vector<int64_t>{500, 501, 502, 503, -100, -100, 504, 505}));
  Labelled few(3);
  EXPECT_ERROR(
      "too few tokens",
      SequentialBatches(few.tokens, shapeOf(InputRole::Labels), &few.labels));
}
