//===- FormatStats.cpp - What formats would do to a tensor ----------------===//

#include "core/FormatStats.h"

#include "core/ParallelFor.h"
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

/// Calls body(tile, first, last) for each stretch of each row that lies in one
/// tile.
template <class Body>
void forEachStretch(const MatrixView &matrix, const Granularity &granularity,
                    Body body) {
  const int64_t tileRows = granularity.rows ? granularity.rows : matrix.rows;
  const int64_t tileCols = granularity.cols ? granularity.cols : matrix.cols;
  const int64_t tilesInRow = (matrix.cols + tileCols - 1) / tileCols;
  for (int64_t i = 0; i < matrix.rows; ++i)
    for (int64_t t = 0; t < tilesInRow; ++t)
      body(i / tileRows * tilesInRow + t, i * matrix.cols + t * tileCols,
           i * matrix.cols + std::min((t + 1) * tileCols, matrix.cols));
}

float amaxOf(const float *values, int64_t first, int64_t last) {
  float amax = 0;
  for (int64_t i = first; i < last; ++i)
    if (std::isfinite(values[i]))
      amax = std::max(amax, std::abs(values[i]));
  return amax;
}

/// How a tensor becomes codes of T.
struct Storing {
  bool scaled = false;
  bool root = false; ///< the code holds the square root
};

template <class T>
void measure(FormatStats &stats, const MatrixView &matrix,
             const Granularity &granularity, Storing storing) {
  std::vector<float> scales; // amaxes first
  forEachStretch(
      matrix, granularity, [&](int64_t tile, int64_t first, int64_t last) {
        if (static_cast<size_t>(tile) >= scales.size())
          scales.resize(tile + 1);
        scales[tile] =
            std::max(scales[tile], amaxOf(matrix.values, first, last));
      });
  for (float &scale : scales) {
    float amax = storing.root ? std::sqrt(scale) : scale;
    scale = storing.scaled && amax > 0
                ? fp8c::detail::scale_for<T>(amax, 0, true)
                : 1;
  }
  forEachStretch(
      matrix, granularity, [&](int64_t tile, int64_t first, int64_t last) {
        const float scale = scales[tile];
        for (int64_t i = first; i < last; ++i) {
          const float x = matrix.values[i];
          if (!std::isfinite(x))
            continue;
          const float stored = (storing.root ? std::sqrt(x) : x) * scale;
          const float back = to_float(from_float<T>(stored)) / scale;
          double value = storing.root ? double(back) * back : back;
          if (x != 0) {
            ++stats.nonzero;
            stats.zeros += value == 0;
            stats.beyond += std::abs(stored) > max_finite<T>();
            value = std::isfinite(value) ? value : 0;
            stats.signal += double(x) * x;
            stats.noise += (value - x) * (value - x);
          }
          if (matrix.before && matrix.before[i] != x) {
            ++stats.changed;
            stats.lost += std::abs(double(x) - matrix.before[i]) * scale <
                          0.5 * distanceAt<T>(matrix.before[i] * scale);
          }
        }
      });
}

struct Format {
  const char *name;
  decltype(&measure<e4m3>) measure;
  Storing storing;
};

const Format formats[] = {
    {"bf16", measure<bf16>, {}},
    {"f16", measure<f16>, {}},
    {"f16-scaled", measure<f16>, {/*scaled=*/true}},
    {"e4m3", measure<e4m3>, {/*scaled=*/true}},
    {"e5m2", measure<e5m2>, {/*scaled=*/true}},
    {"e4m3-sqrt", measure<e4m3>, {/*scaled=*/true, /*root=*/true}}};

const Format &find(const std::string &name) {
  for (const Format &format : formats)
    if (name == format.name)
      return format;
  throw Error("there are no statistics of format \"" + name + "\"");
}

} // namespace

const std::vector<Granularity> &granularities() {
  static const std::vector<Granularity> all = {
      {"tensor", 0, 0},  {"row", 1, 0},     {"column", 0, 1},
      {"1x128", 1, 128}, {"128x1", 128, 1}, {"128x128", 128, 128}};
  return all;
}

double FormatStats::snr() const {
  return noise > 0 ? std::min(10 * std::log10(signal / noise), 200.0) : 200.0;
}

std::vector<std::string> stateFormats(bool isMoment2) {
  std::vector<std::string> names = {"bf16", "f16-scaled", "e4m3", "e5m2"};
  if (isMoment2)
    names.push_back("e4m3-sqrt");
  return names;
}

std::vector<std::string> operandFormats() {
  return {"bf16", "f16", "e4m3", "e5m2"};
}

FormatSurvey::FormatSurvey(const std::vector<std::string> &formats,
                           const std::vector<int64_t> &shape) {
  if (!shape.empty())
    cols = shape.back();
  for (size_t i = 0; i + 1 < shape.size(); ++i)
    rows *= shape[i];
  for (const std::string &format : formats) {
    bool isWhole = shape.size() < 2 || !find(format).storing.scaled;
    for (const Granularity &granularity : granularities())
      if (!isWhole || granularity.name == "tensor")
        cases.push_back({format, granularity, {}});
  }
}

void FormatSurvey::add(const float *values, const float *before) {
  MatrixView matrix = {values, before, rows, cols};
  hasBefore |= before != nullptr;
  amax = std::max(amax, amaxOf(values, 0, rows * cols));
  parallelFor(cases.size(), 1, [&](uint64_t first, uint64_t last) {
    for (uint64_t i = first; i < last; ++i) {
      const Format &format = find(cases[i].format);
      format.measure(cases[i].stats, matrix, cases[i].granularity,
                     format.storing);
    }
  });
}

double underflowAt(DataType format, const float *values, uint64_t count,
                   float scale) {
  uint64_t nonzero = 0, zeros = 0;
  for (uint64_t i = 0; i < count; ++i) {
    if (values[i] == 0 || !std::isfinite(values[i]))
      continue;
    const float stored = values[i] * scale;
    ++nonzero;
    zeros +=
        (format == DataType::F8E5M2 ? to_float(from_float<e5m2>(stored))
                                    : to_float(from_float<e4m3>(stored))) == 0;
  }
  return FormatStats::share(zeros, nonzero);
}

void FormatSurvey::writeTo(OrderedJson &entry) const {
  entry["amax"] = amax;
  for (const Case &each : cases) {
    const FormatStats &stats = each.stats;
    OrderedJson json = {{"underflow", stats.underflow()},
                        {"overflow", stats.overflow()},
                        {"snr_db", std::round(stats.snr() * 100) / 100}};
    if (hasBefore && each.format != "e4m3-sqrt")
      json["lost_changes"] = stats.lostChanges();
    entry["formats"][each.format][each.granularity.name] = json;
  }
}

} // namespace fp8c::runtime
