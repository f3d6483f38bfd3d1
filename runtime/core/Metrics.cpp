//===- Metrics.cpp - What happened in each step ---------------------------===//

#include "core/Metrics.h"

#include "core/Checksum.h"
#include "core/FileSystem.h"
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

/// Whether it is an object with a step that int64_t holds.
bool hasStep(const OrderedJson &line) {
  auto step = line.find("step");
  return step != line.end() && step->is_number_integer() &&
         (!step->is_number_unsigned() ||
          step->get<uint64_t>() <= uint64_t(INT64_MAX));
}

bool isIntact(const std::string &line) {
  size_t at = line.rfind(",\"checksum\":");
  if (at == std::string::npos)
    return true; // written without
  std::string written = withChecksum(line.substr(0, at));
  return line.compare(0, written.size(), written) == 0;
}

/// "7", "7 to 9"
std::string rangeText(int64_t first, int64_t last) {
  return first == last ? concat(first) : concat(first, " to ", last);
}

} // namespace

std::string withChecksum(const std::string &members) {
  return members + ",\"checksum\":\"" +
         checksumOf(members.data(), members.size()) + "\"";
}

std::vector<DamagedLine>
readLines(const std::string &path,
          const std::function<void(const OrderedJson &, uint64_t)> &visit) {
  std::vector<DamagedLine> damaged;
  if (!exists(path))
    return damaged;
  MappedFile file(path);
  auto *text = reinterpret_cast<const char *>(file.data());
  const char *first = text, *end = text + file.size(), *newline;
  for (int64_t number = 1; (newline = std::find(first, end, '\n')) != end;
       ++number, first = newline + 1) {
    std::optional<OrderedJson> line = tryParseJson(first, newline);
    if (line && hasStep(*line) && isIntact({first, newline}))
      visit(*line, static_cast<uint64_t>(newline + 1 - text));
    else
      damaged.push_back({number, static_cast<uint64_t>(first - text)});
  }
  return damaged;
}

std::string noteOn(const std::vector<DamagedLine> &lines,
                   const std::string &path) {
  constexpr size_t most = 8;
  std::string numbers;
  for (size_t i = 0; i < std::min(lines.size(), most); ++i)
    numbers += (i ? ", " : "") + std::to_string(lines[i].number);
  if (lines.size() > most)
    numbers += concat(" and ", lines.size() - most, " more");
  return lines.empty() ? ""
                       : concat(path, ": line", lines.size() > 1 ? "s " : " ",
                                numbers, lines.size() > 1 ? " are" : " is",
                                " damaged and skipped");
}

std::string keepLinesUpTo(const std::string &path, int64_t lastStep,
                          bool everyStep) {
  uint64_t keep = 0;
  int64_t last = 0;
  std::string gaps;
  auto expect = [&](int64_t step) {
    if (step > last + 1)
      gaps += (gaps.empty() ? "" : ", ") + rangeText(last + 1, step - 1);
    last = step;
  };
  std::vector<DamagedLine> damaged =
      readLines(path, [&](const OrderedJson &line, uint64_t end) {
        int64_t step = line["step"];
        if (step > lastStep)
          return;
        keep = end;
        expect(step);
      });
  expect(lastStep + 1);
  if (exists(path) && truncate(path.c_str(), static_cast<off_t>(keep)) != 0)
    throwSystemError(path, "cannot write", errno);
  damaged.erase(std::remove_if(damaged.begin(), damaged.end(),
                               [&](const DamagedLine &line) {
                                 return line.offset >= keep;
                               }),
                damaged.end());
  std::string note = noteOn(damaged, path);
  if (everyStep && !gaps.empty())
    note +=
        concat(note.empty() ? path : "", ": there is no line of step ", gaps);
  return note;
}

MetricsFile::MetricsFile(const std::string &path, int64_t lastStep)
    : theNote(keepLinesUpTo(path, lastStep, /*everyStep=*/true)),
      file(path, OutputFile::Mode::Append) {}

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
      ",\"val_loss\":", metrics.valLoss ? exactText(*metrics.valLoss) : "null");
  if (metrics.skipped > 0)
    line += concat(",\"skipped\":", metrics.skipped);
  line = withChecksum(line);
  line += concat(
      ",\"ms\":", exactText(std::round(metrics.ms * 1000) / 1000),
      ",\"tokens_per_s\":", exactText(std::round(metrics.tokensPerSecond)));
  if (metrics.sentBytes)
    line += concat(",\"sent_bytes\":", metrics.sentBytes);
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
