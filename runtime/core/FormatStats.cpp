//===- FormatStats.cpp - What formats would do to a tensor ----------------===//

#include "core/FormatStats.h"

#include "core/ParallelFor.h"
#include "kernels/common/scale_state.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

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

/// A tensor, and the tiles of it that have scales of their own: of each
/// dimension so many elements, smaller ones at the ends.
struct Tiling {
  std::vector<int64_t> shape, tile;
};

/// Calls body(tile, first, last) for each stretch of the last dimension that
/// lies in one tile.
template <class Body> void forEachStretch(const Tiling &tiling, Body body) {
  const std::vector<int64_t> &shape = tiling.shape, &tile = tiling.tile;
  const int64_t cols = shape.back(), width = tile.back();
  const int64_t tilesInRow = (cols + width - 1) / width;
  int64_t rows = 1;
  for (size_t d = 0; d + 1 < shape.size(); ++d)
    rows *= shape[d];
  for (int64_t i = 0; i < rows; ++i) {
    int64_t first = 0, stride = tilesInRow, rest = i;
    for (size_t d = shape.size() - 1; d-- > 0; rest /= shape[d]) {
      first += rest % shape[d] / tile[d] * stride;
      stride *= (shape[d] + tile[d] - 1) / tile[d];
    }
    for (int64_t t = 0; t < tilesInRow; ++t)
      body(first + t, i * cols + t * width,
           i * cols + std::min((t + 1) * width, cols));
  }
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
  bool stochastic = false;
  float margin = 0;
  bool powerOfTwo = true;

  float codedOf(float x) const { return root ? std::sqrt(x) : x; }
  double valueOf(double coded) const { return root ? coded * coded : coded; }
};

struct Values {
  const float *now;
  const float *before; ///< one step ago; null: not known
};

template <class T>
std::vector<float> findScales(const float *values, const Tiling &tiling,
                              Storing storing) {
  std::vector<float> scales; // amaxes first
  forEachStretch(tiling, [&](size_t tile, int64_t first, int64_t last) {
    scales.resize(std::max(scales.size(), tile + 1));
    scales[tile] = std::max(scales[tile], amaxOf(values, first, last));
  });
  for (float &scale : scales) {
    const float amax = storing.codedOf(scale);
    scale = storing.scaled && amax > 0
                ? fp8c::detail::scale_for<T>(amax, storing.margin,
                                             storing.powerOfTwo)
                : 1;
  }
  return scales;
}

/// E[(q - x)^2] of a number that is `coded` times the scale.
template <class T>
double squaredError(float x, float coded, float scale, Storing storing) {
  auto errorOf = [&](float neighbour) {
    const double value = storing.valueOf(double(neighbour) / scale);
    return std::isfinite(value) ? (value - x) * (value - x) : double(x) * x;
  };
  if constexpr (sizeof(T) == 1)
    if (storing.stochastic) {
      const float low = fp8c::detail::stochastic_neighbour<T>(coded, 0);
      const float high = fp8c::detail::stochastic_neighbour<T>(coded, ~0u);
      const double up =
          high == low ? 0 : (double(coded) - low) / (double(high) - low);
      return (1 - up) * errorOf(low) + up * errorOf(high);
    }
  return errorOf(to_float(from_float<T>(coded)));
}

/// Elements of a row or a column.
struct Line {
  uint32_t nonzero = 0, zeros = 0;
};

void countLines(const std::vector<Line> &lines, uint64_t &all, uint64_t &lost) {
  for (const Line &line : lines) {
    all += line.nonzero > 0;
    lost += 2 * uint64_t(line.zeros) > line.nonzero;
  }
}

template <class T>
void measure(FormatStats &stats, Values values, const Tiling &tiling,
             const std::vector<float> &scales, Storing storing) {
  const int64_t cols = tiling.shape.back();
  std::vector<Line> rows, columns(cols);
  auto measureOne = [&](int64_t i, float scale, Line &row, Line &column) {
    const float x = values.now[i];
    if (!std::isfinite(x)) {
      ++stats.nonfinite;
      return;
    }
    const float coded = storing.codedOf(x) * scale;
    stats.amax = std::max(stats.amax, std::abs(x));
    if (x != 0) {
      const bool underflows = to_float(from_float<T>(coded)) == 0;
      ++stats.nonzero, ++row.nonzero, ++column.nonzero;
      stats.zeros += underflows;
      row.zeros += underflows;
      column.zeros += underflows;
      stats.beyond += std::abs(coded) > max_finite<T>();
      stats.signal += double(x) * x;
      stats.noise += squaredError<T>(x, coded, scale, storing);
    }
    if (values.before && values.before[i] != x) {
      ++stats.changed;
      stats.lost += std::abs(double(x) - values.before[i]) * scale <
                    0.5 * distanceAt<T>(values.before[i] * scale);
    }
  };
  forEachStretch(tiling, [&](size_t tile, int64_t first, int64_t last) {
    const int64_t row = first / cols;
    rows.resize(row + 1);
    for (int64_t i = first; i < last; ++i)
      measureOne(i, scales[tile], rows[row], columns[i - row * cols]);
  });
  countLines(rows, stats.rows, stats.lostRows);
  countLines(columns, stats.columns, stats.lostColumns);
}

template <class T>
void measureAt(FormatStats &stats, Values values, const Tiling &tiling,
               Storing storing) {
  measure<T>(stats, values, tiling, findScales<T>(values.now, tiling, storing),
             storing);
}

struct Format {
  const char *name;
  decltype(&measureAt<e4m3>) measure;
  Storing storing;
};

const Format formats[] = {
    {"bf16", measureAt<bf16>, {}},
    {"f16", measureAt<f16>, {}},
    {"f16-scaled", measureAt<f16>, {/*scaled=*/true}},
    {"e4m3", measureAt<e4m3>, {/*scaled=*/true}},
    {"e5m2", measureAt<e5m2>, {/*scaled=*/true}},
    {"e4m3-sqrt", measureAt<e4m3>, {/*scaled=*/true, /*root=*/true}}};

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
                           const std::vector<int64_t> &shape, bool stochastic)
    : stochastic(stochastic) {
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
  hasBefore |= before != nullptr;
  amax = std::max(amax, amaxOf(values, 0, rows * cols));
  parallelFor(cases.size(), 1, [&](uint64_t first, uint64_t last) {
    for (uint64_t i = first; i < last; ++i) {
      const Format &format = find(cases[i].format);
      const Granularity &granularity = cases[i].granularity;
      Storing storing = format.storing;
      storing.stochastic = stochastic && cases[i].format[0] == 'e';
      format.measure(cases[i].stats, {values, before},
                     {{rows, cols},
                      {granularity.rows ? granularity.rows : rows,
                       granularity.cols ? granularity.cols : cols}},
                     storing);
    }
  });
}

FormatStats quantisedStats(const Quantisation &how, const float *values,
                           const std::vector<int64_t> &shape, float scale) {
  Tiling tiling = {shape, how.tile};
  if (shape.empty())
    tiling.shape = {1};
  if (how.tile.size() == 2) { // a matrix, whatever the value's dimensions
    const int64_t rows = std::accumulate(
        shape.begin(), shape.end() - 1, int64_t(1), std::multiplies<int64_t>());
    tiling.shape = {rows, shape.back()};
  }
  if (how.tile.empty() || scale != 0)
    tiling.tile = tiling.shape;
  const Storing storing = {/*scaled=*/true, /*root=*/false,
                           /*stochastic=*/false, how.margin, how.powerOfTwo};
  FormatStats stats;
  auto measureIn = [&](auto code) {
    using T = decltype(code);
    measure<T>(stats, {values, nullptr}, tiling,
               scale != 0 ? std::vector<float>{scale}
                          : findScales<T>(values, tiling, storing),
               storing);
  };
  if (how.format == DataType::F8E5M2)
    measureIn(e5m2());
  else
    measureIn(e4m3());
  return stats;
}

void FormatSurvey::writeTo(OrderedJson &entry) const {
  entry["amax"] = amax;
  for (const Case &each : cases) {
    const FormatStats &stats = each.stats;
    OrderedJson json = {
        {"underflow", stats.underflow()},
        {"lost_rows", FormatStats::share(stats.lostRows, stats.rows)},
        {"lost_columns", FormatStats::share(stats.lostColumns, stats.columns)},
        {"overflow", stats.overflow()},
        {"snr_db", std::round(stats.snr() * 100) / 100}};
    if (hasBefore && each.format != "e4m3-sqrt")
      json["lost_changes"] = stats.lostChanges();
    entry["formats"][each.format][each.granularity.name] = json;
  }
}

} // namespace fp8c::runtime
