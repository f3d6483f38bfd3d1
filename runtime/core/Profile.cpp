//===- Profile.cpp - Where the time of a step goes ------------------------===//

#include "core/Profile.h"

#include "core/Escape.h"
#include "core/Json.h"
#include "core/OutputFile.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <map>

namespace fp8c::runtime {
namespace {

/// "h.11/mlp/fc (wgrad): [768, 65536]" gives "h.*/mlp/fc (wgrad): …": layers
/// are alike.
std::string kindOf(const OpTime &time) {
  std::string kind = time.function + "  ";
  for (size_t i = 0; i < time.op.size(); ++i) {
    kind += time.op[i];
    if (time.op.compare(i, 2, "h.") == 0 && i + 2 < time.op.size() &&
        std::isdigit(static_cast<unsigned char>(time.op[i + 2]))) {
      kind += ".*";
      i += 2;
      while (i + 1 < time.op.size() &&
             std::isdigit(static_cast<unsigned char>(time.op[i + 1])))
        ++i;
    }
  }
  return kind;
}

} // namespace

void writeTrace(const std::string &path, const std::vector<OpTime> &times) {
  OrderedJson events = OrderedJson::array();
  double offset = 0, end = 0;
  std::string function;
  for (const OpTime &time : times) {
    if (time.function != function || time.startMs == 0)
      offset = end; // functions follow each other
    function = time.function;
    end = std::max(end, offset + time.startMs + time.ms);
    events.push_back({{"name", time.op},
                      {"cat", time.function},
                      {"ph", "X"},
                      {"pid", 1},
                      {"tid", time.beside ? 2 : 1},
                      {"ts", (offset + time.startMs) * 1e3},
                      {"dur", time.ms * 1e3}});
  }
  writeFile(path, jsonText({{"traceEvents", events}}));
}

std::string profileTable(const std::vector<OpTime> &times, size_t rows) {
  struct Sum {
    double ms = 0;
    int count = 0;
  };
  std::map<std::string, Sum> sums;
  double total = 0;
  for (const OpTime &time : times) {
    Sum &sum = sums[kindOf(time)];
    sum.ms += time.ms;
    ++sum.count;
    total += time.ms;
  }
  std::vector<std::pair<std::string, Sum>> order(sums.begin(), sums.end());
  std::stable_sort(
      order.begin(), order.end(),
      [](const auto &a, const auto &b) { return a.second.ms > b.second.ms; });
  char line[64];
  std::snprintf(line, sizeof line, "%9s %6s %6s  ", "ms", "%", "times");
  std::string text = std::string(line) + "op\n";
  for (size_t i = 0; i < order.size() && i < rows; ++i) {
    const Sum &sum = order[i].second;
    std::snprintf(line, sizeof line, "%9.3f %6.2f %6d  ", sum.ms,
                  100 * sum.ms / total, sum.count);
    text += line + printable(order[i].first) + "\n";
  }
  std::snprintf(line, sizeof line, "%9.3f %6.2f %6zu  ", total, 100.0,
                times.size());
  return text + line + "in all\n";
}

} // namespace fp8c::runtime
