//===- MetricsTest.cpp ----------------------------------------------------===//

#include "core/Metrics.h"

#include "TestFiles.h"

#include <cmath>

using namespace fp8c::runtime;

static StepMetrics sample() {
  StepMetrics metrics;
  metrics.step = 120;
  metrics.loss = 2.3412f;
  metrics.gradNorm = 1.23f;
  metrics.lr = 9.9e-4f;
  metrics.ms = 123.0004;
  metrics.tokensPerSecond = 16650.2;
  return metrics;
}

TEST(Metrics, LineForPrograms) {
  StepMetrics metrics = sample();
  EXPECT_EQ(metricsLine(metrics),
            withChecksum(R"({"step":120,"loss":2.3412,"grad_norm":1.23,)"
                         R"("lr":0.00099,"val_loss":null)") +
                R"(,"ms":123,"tokens_per_s":16650})");
  metrics.valLoss = 2.5;
  metrics.skipped = 3;
  metrics.gradNorm = NAN;
  EXPECT_EQ(metricsLine(metrics),
            withChecksum(R"({"step":120,"loss":2.3412,"grad_norm":null,)"
                         R"("lr":0.00099,"val_loss":2.5,"skipped":3)") +
                R"(,"ms":123,"tokens_per_s":16650})");
  metrics = sample();
  metrics.memory = {1000, 1024};
  EXPECT_EQ(metricsLine(metrics),
            withChecksum(R"({"step":120,"loss":2.3412,"grad_norm":1.23,)"
                         R"("lr":0.00099,"val_loss":null)") +
                R"(,"ms":123,"tokens_per_s":16650,)"
                R"("planned_bytes":1000,"measured_bytes":1024})");
}

TEST(Metrics, EveryBitOfALineIsNoticed) {
  TestFolder folder;
  const StepMetrics metrics = sample();
  const std::string line = metricsLine(metrics);
  const size_t covered = line.find(",\"checksum\"");
  for (size_t bit = 0; bit < 8 * line.size(); ++bit) {
    std::string damaged = line;
    damaged[bit / 8] = char(damaged[bit / 8] ^ 1 << bit % 8);
    if (damaged[bit / 8] == '\n')
      continue; // two lines
    std::string path = folder.write("m", damaged + "\n" + line + "\n");
    int read = 0;
    auto lines = readLines(path, [&](const OrderedJson &found, uint64_t) {
      ++read;
      EXPECT_EQ(found["step"], 120) << damaged;
      EXPECT_EQ(found["loss"], 2.3412) << damaged;
      EXPECT_EQ(found["lr"], 0.00099) << damaged;
    });
    EXPECT_EQ(lines.size() + size_t(read), 2u);
    if (bit / 8 < covered) {
      ASSERT_EQ(lines.size(), 1u) << damaged;
      EXPECT_EQ(lines[0].number, 1);
      EXPECT_EQ(noteOn(lines, "m"), "m: line 1 is damaged and skipped");
    }
  }
}

TEST(Metrics, ADamagedLineCostsThatLine) {
  TestFolder folder;
  std::string kept = "{\"step\":1}\nnonsense\n{\"step\":3}\n";
  std::string path =
      folder.write("m.jsonl", kept + "[4]\n{\"step\":\"5\"}\n{\"step\":6}\n");
  EXPECT_EQ(keepLinesUpTo(path, 5, /*everyStep=*/true),
            path + ": line 2 is damaged and skipped: there is no line of step "
                   "2, 4 to 5");
  EXPECT_EQ(folder.read("m.jsonl"), kept);
  EXPECT_EQ(keepLinesUpTo(folder / "none", 2, /*everyStep=*/true),
            (folder / "none") + ": there is no line of step 1 to 2");
  EXPECT_EQ(keepLinesUpTo(folder / "none", 2, /*everyStep=*/false), "");
}

TEST(Metrics, LineOfMemory) {
  const uint64_t GiB = uint64_t(1) << 30;
  EXPECT_EQ(memoryLine({15 * GiB, 15 * GiB + GiB / 10}),
            "memory: planned 15.0 GiB, measured 15.1 GiB (+0.7 %)");
  EXPECT_EQ(memoryLine({4 * GiB, 3 * GiB}),
            "memory: planned 4.0 GiB, measured 3.0 GiB (-25.0 %)");
}

TEST(Metrics, LineForPeople) {
  StepMetrics metrics = sample();
  EXPECT_EQ(stepLine(metrics, 1000, 112),
            "step  120/1000  loss  2.3412  grad_norm   1.23  lr 9.9e-04    "
            "123 ms     16,650 tokens/s  eta 1m52s");
  metrics.step = 1000;
  metrics.ms = 1.5;
  metrics.valLoss = 2.5;
  metrics.skipped = 3;
  EXPECT_EQ(stepLine(metrics, 1000, 0),
            "step 1000/1000  loss  2.3412  grad_norm   1.23  lr 9.9e-04   "
            "1.50 ms     16,650 tokens/s  val_loss 2.5000  skipped 3");
}

TEST(Metrics, CutsWhatComesAfterTheCheckpoint) {
  TestFolder folder;
  std::string two = "{\"step\":1}\n{\"step\":2}\n";
  auto linesAfter = [&](const std::string &before, int64_t lastStep) {
    std::string path = folder.write("m.jsonl", before);
    MetricsFile(path, lastStep).sync();
    return folder.read("m.jsonl");
  };
  EXPECT_EQ(linesAfter(two + "{\"step\":3}\n{\"step\":4}\n", 2), two);
  EXPECT_EQ(linesAfter(two, 2), two);
  EXPECT_EQ(linesAfter(two + "{\"st", 5), two); // killed while writing
  EXPECT_EQ(linesAfter(two + "{\"step\":3}", 5), two);
  EXPECT_EQ(linesAfter(two, 0), "");
  EXPECT_EQ(linesAfter("", 0), "");
}

TEST(Metrics, KeepsWholeLinesOfSteps) {
  TestFolder folder;
  const std::string good = "{\"step\":1}\n{\"step\":2}\n";
  auto kept = [&](const std::string &rest, int64_t lastStep) {
    std::string path = folder.write("metrics.jsonl", good + rest);
    MetricsFile(path, lastStep);
    return folder.read("metrics.jsonl");
  };
  EXPECT_EQ(kept("", 1), "{\"step\":1}\n");
  EXPECT_EQ(kept("{\"step\":3}\n", 2), good);
  EXPECT_EQ(kept("{\"step\":3}\n", INT64_MAX), good + "{\"step\":3}\n");
  const std::string deep = // the object around is a level too
      "{\"step\":3,\"x\":" + std::string(64, '[') + std::string(64, ']') +
      "}\n";
  EXPECT_EQ(kept(deep, INT64_MAX), good);
  for (const char *damaged :
       {"{\"step\":3}", "{\"step\":3\n", "[3]\n", "3\n", "null\n", "{}\n",
        "{\"step\":\"3\"}\n", "{\"step\":null}\n", "{\"step\":[]}\n",
        "{\"step\":3.0}\n", "{\"step\":1e300}\n", "{\"step\":1e999}\n",
        "{\"step\":18446744073709551615}\n"})
    EXPECT_EQ(kept(damaged, INT64_MAX), good) << damaged;
}
