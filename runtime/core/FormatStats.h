//===- FormatStats.h - What formats would do to a tensor --------*- C++ -*-===//

#ifndef FP8C_RUNTIME_CORE_FORMATSTATS_H
#define FP8C_RUNTIME_CORE_FORMATSTATS_H

#include "core/DataType.h"
#include "core/Json.h"

#include <string>
#include <vector>

namespace fp8c::runtime {

/// A tensor as a matrix: its last dimension by all others.
struct MatrixView {
  const float *values;
  const float *before; ///< the values one step ago; null: not known
  int64_t rows, cols;
};

/// Which part of a matrix has a scale of its own: tiles of `rows` x `cols`, 0
/// being all of them; smaller ones at the ends.
struct Granularity {
  std::string name;
  int64_t rows = 0, cols = 0;
};

/// "tensor"; "row" and "1x128", along the last dimension; "column" and "128x1",
/// along all others; "128x128".
const std::vector<Granularity> &granularities();

/// One format's errors, summed over all that was measured. A scale is the power
/// of two that the tile's amax calls for.
struct FormatStats {
  uint64_t nonzero = 0, zeros = 0, beyond = 0, changed = 0, lost = 0;
  double signal = 0, noise = 0;

  /// Share of the elements that are not zero but become 0.
  double underflow() const { return share(zeros, nonzero); }
  /// Share of them that saturates or becomes infinite.
  double overflow() const { return share(beyond, nonzero); }
  /// Of a parameter: share of the last step's changes that are below half the
  /// distance to the next code.
  double lostChanges() const { return share(lost, changed); }
  /// Signal to noise, 10 log10(sum x^2 / sum error^2), in dB; at most 200,
  /// which is more than an f32 can show. What becomes infinite counts as if it
  /// became 0.
  double snr() const;

  static double share(uint64_t part, uint64_t whole) {
    return whole ? static_cast<double>(part) / static_cast<double>(whole) : 0;
  }
};

/// The formats that states can have: "bf16", "f16-scaled", "e4m3", "e5m2"; a
/// second moment also "e4m3-sqrt", its square root in E4M3.
std::vector<std::string> stateFormats(bool isMoment2);

/// The formats that operands of contractions can have: "bf16", "f16", "e4m3",
/// "e5m2".
std::vector<std::string> operandFormats();

/// What each of some formats does to tensors of one shape, with each
/// granularity that the format and the shape have: without a scale there is
/// one, and for a vector, too.
class FormatSurvey {
public:
  FormatSurvey(const std::vector<std::string> &formats,
               const std::vector<int64_t> &shape);

  /// Measures a tensor, on all processors. Values that are not finite do not
  /// count. `before`: the values one step ago, of a parameter.
  void add(const float *values, const float *before = nullptr);

  /// Members "amax" and "formats", an object by format, then granularity.
  void writeTo(OrderedJson &entry) const;

private:
  struct Case {
    std::string format;
    Granularity granularity;
    FormatStats stats;
  };
  int64_t rows = 1, cols = 1;
  bool hasBefore = false;
  float amax = 0;
  std::vector<Case> cases;
};

/// The share of values, zeros and what is not finite aside, that become 0 in
/// FP8 `format` with a scale.
double underflowAt(DataType format, const float *values, uint64_t count,
                   float scale);

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_FORMATSTATS_H
