//===- Schedule.h - The learning rate over a run ----------------*- C++ -*-===//

#ifndef FP8C_RUNTIME_CORE_SCHEDULE_H
#define FP8C_RUNTIME_CORE_SCHEDULE_H

#include <cstdint>
#include <string>

namespace fp8c::runtime {

/// What the learning rate does after a linear warm-up.
struct Schedule {
  enum class Kind {
    Cosine,   ///< half a cosine from lr down to minLr
    Linear,   ///< a line from lr down to minLr
    Constant, ///< lr
    WSD       ///< lr, then a line down to minLr over the last decaySteps
  };
  Kind kind = Kind::Cosine;
  double lr = 6e-4;
  /// Of the last step; 0 would be that of the step behind it, since a step with
  /// none does nothing.
  double minLr = 6e-5;
  int64_t steps = 0;      ///< length of the run
  int64_t warmup = 0;     ///< steps of warm-up
  int64_t decaySteps = 0; ///< WSD only

  /// The learning rate of a step, counted from 1.
  double at(int64_t step) const;
};

const char *nameOf(Schedule::Kind kind);

/// The inverse. Throws Error for a name that is not known.
Schedule::Kind scheduleFromName(const std::string &name);

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_SCHEDULE_H
