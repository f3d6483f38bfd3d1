//===- RankSums.h - FP8 gradients summed over simulated ranks ---*- C++ -*-===//

#ifndef FP8C_RUNTIME_CORE_RANKSUMS_H
#define FP8C_RUNTIME_CORE_RANKSUMS_H

#include "core/FormatStats.h"
#include "core/Json.h"
#include "kernels/common/auto_scale.h"

#include <array>
#include <cstdint>
#include <vector>

namespace fp8c::runtime {

/// What becomes of one gradient that data-parallel ranks quantise to E4M3 with
/// one shared scale and add up, in four ways. Three are rings, as NCCL's: each
/// rank adds its own to what the one before sends, and the sum is rounded and
/// clamped to E4M3 at every hop; terms are divided by the number of ranks
/// before, after, or in part before by the factor mu of automatic scaling
/// (kernels/common/auto_scale.h). "exact" is what fp8.all_reduce does: codes
/// are added in f32, and their sum is rounded once, to a scale that holds it.
///
/// A step takes every rank's gradient twice: findScale() all of them, then
/// add() all of them, then finish().
class RankSums {
public:
  RankSums(uint64_t elements, int ranks);

  /// Returns whether all of it is finite; else nothing can be said of its sums.
  bool findScale(const float *gradient);
  void add(const float *gradient);
  /// Notes what the step's sums have lost, and moves mu. Returns whether mu
  /// stayed or grew: then it has come to rest.
  bool finish();

  /// Of the last step: `mu`, and for "before", "after", "auto" (with mu) and
  /// "exact" the shares of terms that underflow, zeros aside, and of sums that
  /// saturate, and the signal to noise of the means in dB.
  OrderedJson toJson() const;

private:
  enum Way { Before, After, Auto, Exact, Ways };

  float scaleOf(Way way) const; ///< of the terms

  const int ranks;
  AutoScale state = {1, 0, 0};
  float used = 1;        ///< the last step's mu
  float sharedScale = 0; ///< 0: no rank has been seen
  std::vector<double> expected;
  std::array<std::vector<float>, Ways> sums;
  /// Zeros among the terms; sums beyond the format, their signal and noise.
  std::array<FormatStats, Ways> stats;
};

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_RANKSUMS_H
