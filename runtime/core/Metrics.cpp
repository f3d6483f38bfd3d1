//===- Metrics.cpp - What happened in each step ---------------------------===//

#include "core/Metrics.h"

#include "core/FileSystem.h"
#include "core/Json.h"
#include "core/MappedFile.h"
#include "core/Text.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <unistd.h>

namespace fp8c::runtime {
namespace {

/// The shortest text that reads back as the same value.
template <class T> std::string exactText(T value) {
  if (!std::isfinite(value))
    return "null";
  char text[64];
  return {text, std::to_chars(text, text + sizeof(text), value).ptr};
}

/// Whether it is the line of a step up to this one.
bool isUpTo(int64_t lastStep, const Json &line) {
  auto step = line.find("step");
  return step != line.end() && step->is_number_integer() &&
         step->get<double>() <= static_cast<double>(lastStep);
}

} // namespace

std::string keepLinesUpTo(const std::string &path, int64_t lastStep) {
  if (!exists(path))
    return path;
  uint64_t keep = 0;
  {
    MappedFile file(path);
    auto *text = reinterpret_cast<const char *>(file.data());
    while (keep < file.size()) {
      const char *first = text + keep, *end = text + file.size();
      const char *newline = std::find(first, end, '\n');
      Json line = Json::parse(first, newline, nullptr, /*throw=*/false);
      if (newline == end || !isUpTo(lastStep, line))
        break;
      keep = static_cast<uint64_t>(newline + 1 - text);
    }
  }
  if (truncate(path.c_str(), static_cast<off_t>(keep)) != 0)
    throwSystemError(path, "cannot write", errno);
  return path;
}

MetricsFile::MetricsFile(const std::string &path, int64_t lastStep)
    : file(keepLinesUpTo(path, lastStep), OutputFile::Mode::Append) {}

void MetricsFile::append(const StepMetrics &metrics) {
  file.write(metricsLine(metrics) + "\n");
  file.flush();
}

std::string metricsLine(const StepMetrics &metrics) {
  // By hand: a JSON library would print a float with a double's digits.
  std::string line = concat(
      "{\"step\":", metrics.step, ",\"loss\":", exactText(metrics.loss),
      ",\"grad_norm\":", exactText(metrics.gradNorm),
      ",\"lr\":", exactText(metrics.lr),
      ",\"ms\":", exactText(std::round(metrics.ms * 1000) / 1000),
      ",\"tokens_per_s\":", exactText(std::round(metrics.tokensPerSecond)),
      ",\"val_loss\":", metrics.valLoss ? exactText(*metrics.valLoss) : "null");
  if (metrics.skipped > 0)
    line += concat(",\"skipped\":", metrics.skipped);
  if (metrics.memory)
    line += concat(",\"planned_bytes\":", metrics.memory->planned,
                   ",\"measured_bytes\":", metrics.memory->measured);
  return line + "}";
}

std::string memoryLine(const MemoryUse &memory) {
  double ratio = static_cast<double>(memory.measured) /
                 static_cast<double>(memory.planned);
  return concat("memory: planned ", bytesText(memory.planned), ", measured ",
                bytesText(memory.measured),
                numberText(" (%+.1f %%)", 100 * (ratio - 1)));
}

std::string stepLine(const StepMetrics &metrics, int64_t steps,
                     double secondsLeft) {
  std::string total = std::to_string(steps);
  std::string step = std::to_string(metrics.step);
  std::string line = concat(
      "step ",
      std::string(total.size() - std::min(step.size(), total.size()), ' '),
      step, "/", total, numberText("  loss %7.4f", metrics.loss),
      numberText("  grad_norm %6.3g", metrics.gradNorm),
      numberText("  lr %.1e", metrics.lr),
      numberText(metrics.ms < 10 ? "  %5.2f ms" : "  %5.0f ms", metrics.ms));
  std::string speed = std::isfinite(metrics.tokensPerSecond)
                          ? withThousands(std::llround(metrics.tokensPerSecond))
                          : "?";
  line += "  " + std::string(speed.size() < 9 ? 9 - speed.size() : 0, ' ') +
          speed + " tokens/s";
  if (metrics.step < steps)
    line += "  eta " + durationText(secondsLeft);
  if (metrics.valLoss)
    line += numberText("  val_loss %.4f", *metrics.valLoss);
  if (metrics.skipped > 0)
    line += concat("  skipped ", metrics.skipped);
  return line;
}

} // namespace fp8c::runtime
