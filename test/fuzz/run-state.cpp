//===- run-state.cpp - Fuzzes the readers of a run's folder ---------------===//
//
// The input is config.json, state.json of the newest checkpoint, and
// metrics.jsonl. The checkpoint's tensors are those of a small program; their
// reader has a target of its own.
//
//===----------------------------------------------------------------------===//

#include "Fuzz.h"
#include "core/Instance.h"
#include "core/Metrics.h"
#include "core/RunFolder.h"

using namespace fp8c;
using namespace fp8c::runtime;

namespace {
/// A program, and a run of it with one checkpoint.
struct Run {
  Instance instance{Program::open(FP8C_FUZZ_PROGRAM)};
  RunFolder folder{fuzz::folder().in("run")};
  std::string checkpoint;

  Run() {
    folder.lock();
    RunState state;
    state.step = 1;
    folder.checkpoints().save(instance, state, TrainOptions().toJson(), 0);
    checkpoint = folder.checkpoints().folderOf(1);
  }
};
} // namespace

static void readMetrics(const std::string &path, std::string_view bytes,
                        int64_t lastStep) {
  MetricsFile(path, lastStep);
  uint64_t kept = std::filesystem::file_size(path);
  fuzz::require(kept <= bytes.size(), "metrics are cut, not written");
  fuzz::require(kept == 0 || bytes[kept - 1] == '\n', "metrics keep lines");
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz::folder(); // goes after the run
  static Run run;
  auto files = fuzz::splitFiles(fuzz::text(data, size), 3);
  fuzz::folder().write("run/config.json", files[0]);
  fuzz::folder().write("run/metrics.jsonl", files[2]);
  std::ofstream(run.checkpoint + "/state.json", std::ios::binary) << files[1];
  fuzz::mayRefuse([&] {
    RunConfig config = run.folder.readConfig();
    config.options.check();
    config.options.scheduleOf();
    config.options.apply(run.instance);
  });
  int64_t lastStep = 0;
  fuzz::mayRefuse([&] {
    fuzz::require(run.folder.checkpoints().steps().size() == 1,
                  "a checkpoint of two files is one");
    lastStep = loadCheckpoint(run.instance, run.checkpoint).step;
  });
  fuzz::mayRefuse(
      [&] { readMetrics(run.folder.metricsPath(), files[2], lastStep); });
  return 0;
}
