//===- FormatStats.h - What formats would do to a tensor --------*- C++ -*-===//

#ifndef FP8C_RUNTIME_CORE_FORMATSTATS_H
#define FP8C_RUNTIME_CORE_FORMATSTATS_H

#include "core/DataType.h"
#include "core/Json.h"
#include "core/Manifest.h"

#include <string>
#include <vector>

namespace fp8c::runtime {

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
///
/// An element underflows if what storing it does to it is expected to be at
/// least as large as it is: E[(q - x)^2] >= x^2. Below the smallest number d of
/// a format nearest rounding makes that |x| <= d/2. Stochastic rounding gives d
/// with probability |x|/d, else 0: E[(q - x)^2] = |x| (d - |x|), and the limit
/// is d/2 again. Of what is kept as a square root, x is the root.
struct FormatStats {
  uint64_t nonzero = 0, zeros = 0, beyond = 0, changed = 0, lost = 0;
  /// That have elements which are not zero; of which more than half underflow.
  uint64_t rows = 0, lostRows = 0, columns = 0, lostColumns = 0;
  uint64_t nonfinite = 0;
  float amax = 0; ///< the largest magnitude that is finite
  double signal = 0, noise = 0;

  /// Share of the elements that are not zero but underflow.
  double underflow() const { return share(zeros, nonzero); }
  /// Share of them that saturates or becomes infinite.
  double overflow() const { return share(beyond, nonzero); }
  /// Of a parameter: share of the last step's changes that are below half the
  /// distance to the next code.
  double lostChanges() const { return share(lost, changed); }
  /// Signal to noise, 10 log10(sum x^2 / sum E[error^2]), in dB; at most 200,
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
  /// `stochastic`: what becomes FP8 is rounded stochastically, as recipes round
  /// moments; else to nearest.
  FormatSurvey(const std::vector<std::string> &formats,
               const std::vector<int64_t> &shape, bool stochastic = false);

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
  bool stochastic, hasBefore = false;
  float amax = 0;
  std::vector<Case> cases;
};

/// What quantising a tensor in FP8 does to it. `scale`: the scale of all of it;
/// 0: each tile has that of its own amax.
FormatStats quantisedStats(const Quantisation &how, const float *values,
                           const std::vector<int64_t> &shape, float scale = 0);

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_FORMATSTATS_H
