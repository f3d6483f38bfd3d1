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
            R"({"step":120,"loss":2.3412,"grad_norm":1.23,"lr":0.00099,)"
            R"("ms":123,"tokens_per_s":16650,"val_loss":null})");
  metrics.valLoss = 2.5;
  metrics.skipped = 3;
  metrics.gradNorm = NAN;
  EXPECT_EQ(metricsLine(metrics),
            R"({"step":120,"loss":2.3412,"grad_norm":null,"lr":0.00099,)"
            R"("ms":123,"tokens_per_s":16650,"val_loss":2.5,"skipped":3})");
  metrics = sample();
  metrics.memory = {1000, 1024};
  EXPECT_EQ(metricsLine(metrics),
            R"({"step":120,"loss":2.3412,"grad_norm":1.23,"lr":0.00099,)"
            R"("ms":123,"tokens_per_s":16650,"val_loss":null,)"
            R"("planned_bytes":1000,"measured_bytes":1024})");
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
  for (const char *damaged :
       {"{\"step\":3}", "{\"step\":3\n", "[3]\n", "3\n", "null\n", "{}\n",
        "{\"step\":\"3\"}\n", "{\"step\":null}\n", "{\"step\":[]}\n",
        "{\"step\":3.0}\n", "{\"step\":1e300}\n", "{\"step\":1e999}\n",
        "{\"step\":18446744073709551615}\n"})
    EXPECT_EQ(kept(damaged, INT64_MAX), good) << damaged;
}
