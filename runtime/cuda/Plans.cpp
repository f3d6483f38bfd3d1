//===- Plans.cpp - Which algorithm each library call takes ----------------===//

#include "cuda/Plans.h"

#include "core/Checksum.h"
#include "core/Error.h"
#include "core/FileSystem.h"
#include "core/MappedFile.h"
#include "core/OutputFile.h"
#include "kernels/cuda/library.h"

#include <algorithm>
#include <cmath>
#include <cublasLt.h>
#include <filesystem>
#include <limits>
#include <sstream>
#include <vector>

namespace fp8c::library {
namespace {

/// Before the last line's checksum of all lines before it.
constexpr const char *checksumKey = "checksum\t";

/// The first line: what plans depend on. Files of version 1 have no checksum.
std::string header(int version = 2) {
  cudaDeviceProp properties;
  int device = 0;
  check(cudaGetDevice(&device), "no device");
  check(cudaGetDeviceProperties(&properties, device), "no device");
  std::ostringstream text;
  text << "fp8c-plans " << version << ", " << properties.name << ", cuBLASLt "
       << cublasLtGetVersion() << ", cuDNN " << attention_version();
  return text.str();
}

std::string textOf(const std::map<std::string, std::string> &plans) {
  std::string text;
  for (const auto &[call, plan] : plans)
    text += call + "\t" + plan + "\n";
  return text;
}

void write(const std::string &path,
           const std::map<std::string, std::string> &plans) {
  std::string text = header() + "\n" + textOf(plans);
  text += checksumKey + runtime::checksumOf(text.data(), text.size()) + "\n";
  runtime::writeFile(path, text);
}

/// The time of the fastest of some runs in ms; infinity if it does not run.
float timeOf(const Stream &stream, int runs, const std::function<bool()> &run) {
  cudaEvent_t start, stop;
  check(cudaEventCreate(&start), "cannot make an event");
  check(cudaEventCreate(&stop), "cannot make an event");
  float best = std::numeric_limits<float>::infinity();
  for (int i = 0; i <= runs; ++i) {
    check(cudaEventRecord(start, stream.handle()), "cannot record an event");
    if (!run())
      break;
    check(cudaEventRecord(stop, stream.handle()), "cannot record an event");
    check(cudaEventSynchronize(stop), "a library call failed");
    float ms = 0;
    check(cudaEventElapsedTime(&ms, start, stop), "cannot time a call");
    if (i > 0) // the first loads code
      best = std::min(best, ms);
  }
  cudaEventDestroy(start);
  cudaEventDestroy(stop);
  return best;
}

} // namespace

int fastestOf(const Stream &stream, int count,
              const std::function<bool(int)> &run) {
  constexpr float worthAnotherLook = 1.1f;
  constexpr int fewRuns = 4, moreRuns = 20;
  auto time = [&](int i, int runs) {
    return timeOf(stream, runs, [&] { return run(i); });
  };
  if (Plans::get().takesFirst()) {
    for (int i = 0; i < count; ++i)
      if (std::isfinite(time(i, 1)))
        return i;
    return -1;
  }
  std::vector<float> times;
  for (int i = 0; i < count; ++i)
    times.push_back(time(i, fewRuns));
  const auto least = std::min_element(times.begin(), times.end());
  if (least == times.end() || std::isinf(*least))
    return -1;
  const float limit = *least * worthAnotherLook;
  for (int i = 0; i < count; ++i)
    times[i] = times[i] <= limit ? time(i, moreRuns)
                                 : std::numeric_limits<float>::infinity();
  return int(std::min_element(times.begin(), times.end()) - times.begin());
}

Plans &Plans::get() {
  static Plans plans;
  return plans;
}

bool Plans::read(const std::string &path, Lines &lines) {
  if (path.empty() || !runtime::exists(path))
    return true;
  const runtime::MappedFile file(path);
  const std::string text(reinterpret_cast<const char *>(file.data()),
                         file.size());
  const std::string first = text.substr(0, text.find('\n'));
  const size_t last = text.rfind(std::string("\n") + checksumKey) + 1;
  const bool intact =
      last == 0
          ? text.size() > first.size() && first != header()
          : text.substr(last) ==
                checksumKey + runtime::checksumOf(text.data(), last) + "\n";
  if (!intact)
    throw runtime::Error::inFile(
        path, "damaged, or cut short",
        "restore it from a copy; without it algorithms are chosen anew, and "
        "results may differ in the last bits");
  if (first != header() && first != header(1))
    return false;
  parse(text.substr(0, last ? last : text.size()), lines);
  return true;
}

void Plans::parse(const std::string &text, Lines &lines) {
  std::istringstream in(text);
  std::string line;
  while (std::getline(in, line))
    if (size_t tab = line.find('\t'); tab != std::string::npos)
      lines[line.substr(0, tab)] = line.substr(tab + 1);
}

std::string Plans::text() const { return textOf(used); }

void Plans::use(const std::string &path) {
  cache = path;
  try {
    read(path, known);
  } catch (const runtime::Error &) { // chosen anew, and written again
  }
}

void Plans::takeFirst() {
  first = true;
  cache.clear();
  known.clear();
}

bool Plans::keep(const std::string &path) {
  runFile = path;
  const bool usable = prefer(path);
  usesMore = !used.empty();
  save();
  return usable;
}

void Plans::save() {
  if (usesMore && !runFile.empty()) {
    write(runFile, used);
    usesMore = false;
  }
  if (!choseMore || cache.empty())
    return;
  std::error_code ignored; // a cache that cannot be written is only slower
  std::filesystem::create_directories(
      std::filesystem::path(cache).parent_path(), ignored);
  try {
    write(cache, known);
    choseMore = false;
  } catch (const runtime::Error &) {
  }
}

const std::string *Plans::find(const std::string &call) {
  for (const Lines *lines : {&preferred, &known})
    if (const auto plan = lines->find(call); plan != lines->end()) {
      usesMore |= used.insert(*plan).second;
      return &plan->second;
    }
  return nullptr;
}

const std::string &Plans::add(const std::string &call,
                              const std::string &plan) {
  preferred.erase(call);
  known[call] = plan;
  choseMore = true;
  return *find(call);
}

} // namespace fp8c::library
