//===- FormatStats.h - What formats would do to a tensor --------*- C++ -*-===//

#ifndef FP8C_RUNTIME_CORE_FORMATSTATS_H
#define FP8C_RUNTIME_CORE_FORMATSTATS_H

#include "core/Json.h"

#include <vector>

namespace fp8c::runtime {

/// One format's errors on one tensor. Formats with a scale take the power of
/// two that their amax calls for. Shares are of the elements that are not zero.
struct FormatStats {
  std::string format;
  double underflow = 0; ///< share that becomes 0
  double overflow = 0;  ///< share that saturates or becomes infinite
  double snr = 0;  ///< signal to noise, 10 log10(sum x^2 / sum error^2), dB
  double lost = 0; ///< of a parameter: share of the last step's changes that
                   ///< are below half the distance to the next code
};

/// The formats that states can have: "bf16", "f16-scaled", "e4m3", "e5m2", and
/// "e4m3-sqrt", the square root in E4M3.
const std::vector<std::string> &stateFormats();

/// `values` in one of them. `before`, if not empty, are the values one step
/// ago.
FormatStats measureFormat(const std::string &format,
                          const std::vector<float> &values,
                          const std::vector<float> &before);

/// The largest finite magnitude.
float amaxOf(const std::vector<float> &values);

OrderedJson toJson(const FormatStats &stats, bool hasBefore);

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_FORMATSTATS_H
