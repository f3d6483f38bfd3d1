//===- Schedule.cpp - The learning rate over a run ------------------------===//

#include "core/Schedule.h"

#include "core/Error.h"

#include <algorithm>
#include <cmath>

namespace fp8c::runtime {
namespace {

constexpr const char *names[] = {"cosine", "linear", "constant", "wsd"};
constexpr double pi = 3.14159265358979323846;

} // namespace

double Schedule::at(int64_t step) const {
  // Steps before this one. Warm-up neither begins at 0, which would waste a
  // step, nor repeats lr, which the next phase begins with.
  int64_t done = step - 1;
  if (done < warmup)
    return lr * static_cast<double>(step) / static_cast<double>(warmup + 1);
  if (kind == Kind::Constant)
    return lr;
  int64_t decayStart =
      kind == Kind::WSD ? std::max(warmup, steps - decaySteps) : warmup;
  if (done < decayStart)
    return lr;
  // 0 at the start of the decay, 1 at the last step; or, where that step would
  // do nothing, at the one behind it.
  int64_t length = steps - (minLr > 0 ? 1 : 0) - decayStart;
  bool isLastAlone = kind == Kind::WSD && decaySteps == 1 && steps > 1;
  double share =
      isLastAlone && minLr > 0
          ? 1
          : std::min(static_cast<double>(done - decayStart) /
                         static_cast<double>(std::max<int64_t>(length, 1)),
                     1.0);
  double remaining =
      kind == Kind::Cosine ? 0.5 * (1 + std::cos(pi * share)) : 1 - share;
  return minLr + remaining * (lr - minLr);
}

const char *nameOf(Schedule::Kind kind) {
  return names[static_cast<size_t>(kind)];
}

Schedule::Kind scheduleFromName(const std::string &name) {
  for (size_t i = 0; i < std::size(names); ++i)
    if (name == names[i])
      return static_cast<Schedule::Kind>(i);
  throw Error("unknown schedule \"" + name + "\"",
              "choose cosine, linear, constant or wsd");
}

} // namespace fp8c::runtime
