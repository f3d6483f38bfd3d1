//===- Metrics.h - What happened in each step -------------------*- C++ -*-===//

#ifndef FP8C_RUNTIME_CORE_METRICS_H
#define FP8C_RUNTIME_CORE_METRICS_H

#include "core/Json.h"
#include "core/OutputFile.h"

#include <functional>
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
  uint64_t sentBytes = 0;          ///< to other processes, by programs
  std::optional<MemoryUse> memory; ///< with the last step, on a GPU
};

/// A line of a file of JSON lines as text: an object without its last brace and
/// the checksum of it. The line may go on with members that it does not cover.
std::string withChecksum(const std::string &members);

/// A line that is not as it was written.
struct DamagedLine {
  int64_t number;  ///< from 1
  uint64_t offset; ///< bytes before it
};

/// Hands `visit` every line that is an object with an integer "step" and, if it
/// has a checksum, has not changed since it was written, and the offset of its
/// end. Returns the other ones; a last line without newline is none, but one
/// that is being written. There need be no file.
std::vector<DamagedLine>
readLines(const std::string &path,
          const std::function<void(const OrderedJson &, uint64_t)> &visit);

/// "FILE: line 7 is damaged and skipped", or "".
std::string noteOn(const std::vector<DamagedLine> &lines,
                   const std::string &path);

/// Cuts a file of JSON lines after its last line of a step up to `lastStep`:
/// later ones are steps that a killed process did after its last checkpoint.
/// Damaged lines before stay, for readers to skip. Returns what the user should
/// know about them, and with `everyStep` about steps that have no line, or "".
std::string keepLinesUpTo(const std::string &path, int64_t lastStep,
                          bool everyStep);

/// metrics.jsonl: one JSON object per line and step. Values that are not
/// finite are written as null, which is what JSON has for them. Times and
/// memory come last: the checksum before them covers what a repetition of the
/// run would give again.
class MetricsFile {
public:
  /// Keeps the lines up to `lastStep`, as keepLinesUpTo().
  MetricsFile(const std::string &path, int64_t lastStep);

  /// What the user should know about the lines that were there, or "".
  const std::string &note() const { return theNote; }

  /// Appends a line; it survives the process from here on.
  void append(const StepMetrics &metrics);

  /// What was appended survives the machine from here on.
  void sync() { file.sync(); }

private:
  std::string theNote;
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
