//===- FormatStats.cpp - What formats would do to a tensor ----------------===//

#include "core/FormatStats.h"

#include "core/Error.h"
#include "kernels/common/scale_state.h"

#include <algorithm>
#include <cmath>

namespace fp8c::runtime {
namespace {

/// Distance between neighbouring codes of T around y.
template <class T> double distanceAt(float y) {
  using Format = typename fp8c::detail::FormatOf<T>::type;
  int exponent = y == 0 ? -1000 : std::ilogb(y);
  return std::ldexp(1.0, std::max(exponent, 1 - Format::bias) -
                             (23 - Format::shift));
}
template <> double distanceAt<bf16>(float y) {
  return std::ldexp(1.0, (y == 0 ? -126 : std::max(std::ilogb(y), -126)) - 7);
}

template <class T>
void measure(FormatStats &stats, const std::vector<float> &values,
             const std::vector<float> &before, bool scaled, bool root) {
  float amax = amaxOf(values);
  amax = root ? std::sqrt(amax) : amax;
  const float scale =
      scaled && amax > 0 ? fp8c::detail::scale_for<T>(amax, 0, true) : 1;
  double signal = 0, noise = 0;
  uint64_t nonzero = 0, zeros = 0, beyond = 0, changed = 0, lost = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const float x = values[i], stored = (root ? std::sqrt(x) : x) * scale;
    const float back = to_float(from_float<T>(stored)) / scale;
    const double value = root ? double(back) * back : back;
    if (x != 0) {
      ++nonzero;
      zeros += value == 0;
      beyond += std::abs(stored) > max_finite<T>();
      signal += double(x) * x;
      noise += (value - x) * (value - x);
    }
    if (!before.empty() && before[i] != x) {
      ++changed;
      lost += std::abs(double(x) - before[i]) * scale <
              0.5 * distanceAt<T>(before[i] * scale);
    }
  }
  auto share = [](uint64_t part, uint64_t whole) {
    return whole ? double(part) / double(whole) : 0;
  };
  stats.underflow = share(zeros, nonzero);
  stats.overflow = share(beyond, nonzero);
  stats.lost = share(lost, changed);
  // JSON has no infinity; 200 dB is more than an f32 can show.
  stats.snr =
      noise > 0 ? std::min(10 * std::log10(signal / noise), 200.0) : 200.0;
}

} // namespace

const std::vector<std::string> &stateFormats() {
  static const std::vector<std::string> formats = {"bf16", "f16-scaled", "e4m3",
                                                   "e5m2", "e4m3-sqrt"};
  return formats;
}

float amaxOf(const std::vector<float> &values) {
  float amax = 0;
  for (float value : values)
    if (std::isfinite(value))
      amax = std::max(amax, std::abs(value));
  return amax;
}

FormatStats measureFormat(const std::string &format,
                          const std::vector<float> &values,
                          const std::vector<float> &before) {
  FormatStats stats;
  stats.format = format;
  if (format == "bf16")
    measure<bf16>(stats, values, before, false, false);
  else if (format == "f16-scaled")
    measure<f16>(stats, values, before, true, false);
  else if (format == "e4m3")
    measure<e4m3>(stats, values, before, true, false);
  else if (format == "e5m2")
    measure<e5m2>(stats, values, before, true, false);
  else if (format == "e4m3-sqrt")
    measure<e4m3>(stats, values, {}, true, true);
  else
    throw Error("no state is kept in \"" + format + "\"");
  return stats;
}

OrderedJson toJson(const FormatStats &stats, bool hasBefore) {
  OrderedJson json = {{"underflow", stats.underflow},
                      {"overflow", stats.overflow},
                      {"snr_db", std::round(stats.snr * 100) / 100}};
  if (hasBefore)
    json["lost_changes"] = stats.lost;
  return json;
}

} // namespace fp8c::runtime
