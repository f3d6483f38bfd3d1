//===- Text.cpp - Numbers, sizes and times for people ---------------------===//

#include "core/Text.h"

#include "core/Escape.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace fp8c::runtime {

std::string withThousands(int64_t value) {
  std::string digits = std::to_string(value);
  size_t firstDigit = value < 0 ? 1 : 0;
  for (size_t at = digits.size(); at > firstDigit + 3;) {
    at -= 3;
    digits.insert(at, ",");
  }
  return digits;
}

std::string bytesText(uint64_t bytes) {
  static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 1024 && unit + 1 < std::size(units); ++unit)
    value /= 1024;
  return numberText(unit == 0 ? "%.0f " : "%.1f ", value) + units[unit];
}

std::string durationText(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0)
    return "?";
  auto total = static_cast<int64_t>(std::llround(seconds));
  auto pair = [](int64_t big, char bigUnit, int64_t small, char smallUnit) {
    char text[48];
    std::snprintf(text, sizeof(text), "%lld%c%02lld%c",
                  static_cast<long long>(big), bigUnit,
                  static_cast<long long>(small), smallUnit);
    return std::string(text);
  };
  if (total < 60)
    return std::to_string(total) + "s";
  if (total < 3600)
    return pair(total / 60, 'm', total % 60, 's');
  if (total < 24 * 3600)
    return pair(total / 3600, 'h', total % 3600 / 60, 'm');
  return pair(total / (24 * 3600), 'd', total % (24 * 3600) / 3600, 'h');
}

std::string numberText(const char *format, double value) {
  char text[64];
  std::snprintf(text, sizeof(text), format, value);
  return text;
}

std::string shapeText(const std::vector<int64_t> &shape) {
  if (shape.empty())
    return "scalar";
  std::string text;
  for (int64_t extent : shape)
    text += (text.empty() ? "" : "x") + std::to_string(extent);
  return text;
}

void Table::row(const std::string &label, const std::string &value) {
  rows.push_back({printable(label), printable(value)});
}

std::string Table::str() const {
  size_t width = 0;
  for (const Row &row : rows)
    width = std::max(width, row.label.size());
  std::string text;
  for (const Row &row : rows)
    text += row.label + std::string(width - row.label.size() + 2, ' ') +
            row.value + "\n";
  return text;
}

} // namespace fp8c::runtime
