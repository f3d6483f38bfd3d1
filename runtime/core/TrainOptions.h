//===- TrainOptions.h - Everything about a run that can be chosen -*- C++ -*-=//

#ifndef FP8C_RUNTIME_CORE_TRAINOPTIONS_H
#define FP8C_RUNTIME_CORE_TRAINOPTIONS_H

#include "core/Json.h"
#include "core/Schedule.h"
#include "core/Watch.h"

#include <optional>

namespace fp8c::runtime {

class Instance;

/// Run-time values of a training; no change of them needs a compilation. The
/// defaults are nanoGPT's. Stored in run/config.json.
struct TrainOptions {
  int64_t steps = 0; ///< optimizer steps of the whole run
  double lr = 6e-4;
  double minLr = 6e-5;
  int64_t warmup = 0;
  std::string schedule = "cosine";
  /// Steps after which the schedule has arrived at minLr, where it stays; 0:
  /// all of the run's. A run that goes on for longer keeps the schedule it had.
  int64_t scheduleSteps = 0;
  int64_t decaySteps = 0;
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
  double weightDecay = 0.1;
  double clip = 1.0;              ///< global gradient norm; 0: no clipping
  int64_t accumulate = 1;         ///< micro-batches per step
  uint64_t seed = 1337;           ///< of initial weights and data order
  int64_t evalEvery = 2000;       ///< steps; 0: after the last; -1: never
  int64_t evalBatches = 200;      ///< 0: the whole validation file
  int64_t checkpointEvery = 1000; ///< steps; 0: only after the last
  int64_t keep = 2;               ///< newest checkpoints kept; 0: all
  int64_t logEvery = 0;           ///< steps; 0: about once a second
  WatchOptions watch;             ///< FP8 statistics

  OrderedJson toJson() const;
  static TrainOptions fromJson(const JsonField &field);

  /// Throws Error for values that make no sense.
  void check() const;

  Schedule scheduleOf() const;

  /// Hands the program what does not change from step to step: all its
  /// hyperparameters but lr and step. Throws Error if it has one that this
  /// runtime does not know.
  void apply(Instance &instance) const;
};

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_TRAINOPTIONS_H
