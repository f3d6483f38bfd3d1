//===- Metrics.h - What happened in each step -------------------*- C++ -*-===//

#ifndef FP8C_RUNTIME_CORE_METRICS_H
#define FP8C_RUNTIME_CORE_METRICS_H

#include "core/OutputFile.h"

#include <optional>

namespace fp8c::runtime {

/// Bytes of a device's memory.
struct MemoryUse {
  uint64_t planned;  ///< by the compiler: variables, arena, workspace
  uint64_t measured; ///< by the device; see Device::measuredBytes()
};

struct StepMetrics {
  int64_t step = 0;
  float loss = 0;     ///< mean over the step's micro-batches, nats per token
  float gradNorm = 0; ///< before clipping
  float lr = 0;
  double ms = 0; ///< wall time of the step, evaluation not included
  double tokensPerSecond = 0;
  std::optional<double> valLoss;
  int64_t skipped = 0;             ///< steps skipped so far in the run
  std::optional<MemoryUse> memory; ///< with the last step, on a GPU
};

/// Cuts a file of JSON lines after its last whole line of a step up to
/// `lastStep`: later ones are steps that a killed process did after its last
/// checkpoint. Returns `path`, where there need be no file.
std::string keepLinesUpTo(const std::string &path, int64_t lastStep);

/// metrics.jsonl: one JSON object per line and step. Values that are not
/// finite are written as null, which is what JSON has for them.
class MetricsFile {
public:
  /// Keeps the lines up to `lastStep` and removes later or broken ones: they
  /// are steps that a killed process did after its last checkpoint.
  MetricsFile(const std::string &path, int64_t lastStep);

  /// Appends a line; it survives the process from here on.
  void append(const StepMetrics &metrics);

  /// What was appended survives the machine from here on.
  void sync() { file.sync(); }

private:
  OutputFile file;
};

/// The line of one step, without its newline.
std::string metricsLine(const StepMetrics &metrics);

/// "memory: planned 15.0 GiB, measured 15.1 GiB (+0.5 %)", without newline.
std::string memoryLine(const MemoryUse &memory);

/// The line of one step for people, with the step right-aligned to the width
/// of `steps`; `secondsLeft` is the time the rest of the run will take.
std::string stepLine(const StepMetrics &metrics, int64_t steps,
                     double secondsLeft);

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_METRICS_H
