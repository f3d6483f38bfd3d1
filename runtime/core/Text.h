//===- Text.h - Numbers, sizes and times for people -------------*- C++ -*-===//

#ifndef FP8C_RUNTIME_CORE_TEXT_H
#define FP8C_RUNTIME_CORE_TEXT_H

#include <cstdint>
#include <sstream>
#include <string>
#include <vector>

namespace fp8c::runtime {

/// Everything streamed one after the other into a string.
template <class... Parts> std::string concat(const Parts &...parts) {
  std::ostringstream stream;
  (stream << ... << parts);
  return stream.str();
}

/// 1234567 -> "1,234,567".
std::string withThousands(int64_t value);

/// 1536 -> "1.5 KiB"; units B, KiB, MiB, GiB, TiB.
std::string bytesText(uint64_t bytes);

/// 112 seconds -> "1m52s"; also "42s", "3h07m", "2d04h".
std::string durationText(double seconds);

/// printf for one number: numberText("%.2e", 0.001) -> "1.00e-03".
std::string numberText(const char *format, double value);

/// {16, 128} -> "16x128"; a scalar is "scalar".
std::string shapeText(const std::vector<int64_t> &shape);

/// Rows "label  value" with the values in one column, for start-up tables.
/// Labels and values are made printable.
class Table {
public:
  void row(const std::string &label, const std::string &value);
  std::string str() const;

private:
  struct Row {
    std::string label, value;
  };
  std::vector<Row> rows;
};

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_TEXT_H
