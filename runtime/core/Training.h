//===- Training.h - A training from its first step to its last --*- C++ -*-===//

#ifndef FP8C_RUNTIME_CORE_TRAINING_H
#define FP8C_RUNTIME_CORE_TRAINING_H

#include "core/Evaluate.h"
#include "core/Metrics.h"
#include "core/RunFolder.h"
#include "core/Trainer.h"

#include <memory>
#include <string>

namespace fp8c::runtime {

/// What may be changed when a run is taken up again: how long it is, what is
/// written when, and who computes it. Everything else would make it another
/// run.
struct ResumeChanges {
  /// Another program for the same model, or empty; with its own micro-batches,
  /// and as many tokens a step.
  std::string program;
  std::optional<int64_t> accumulate; ///< only with another program
  std::optional<int64_t> steps;      ///< can only be raised
  /// Whether the learning rate's schedule is that of as many steps. Else it
  /// stays what it was, then minLr.
  bool reschedule = false;
  std::optional<int64_t> checkpointEvery, keep, logEvery;
  Checks checks = Checks::On; ///< of the program

  void apply(RunConfig &config, const std::string &run) const;
};

/// What is looked at while a run is executed, and changes nothing.
struct Observations {
  /// Where a trace of the fourth step goes, which is timed op by op and so
  /// slower, with a table to stdout; empty: none.
  std::string profile;
  /// See checkReplicas(); after every step.
  bool replicas = false;
};

/// A run being executed. It prints its configuration and its steps to stdout.
class Training {
public:
  /// Starts a new run in `folder`. Everything is checked before anything is
  /// written. `config` needs no fingerprint and no number of tokens yet.
  static int start(RunFolder &folder, const RunConfig &config,
                   const Observations &observations = {});

  /// Takes a run up at its newest checkpoint, or from its beginning if it was
  /// ended before the first; continues bit for bit. With `step` at that step's
  /// checkpoint: newer ones are set aside.
  static int resume(RunFolder &folder, const ResumeChanges &changes,
                    std::optional<int64_t> step = {});

private:
  Training(const RunConfig &config, Program program, Processes &processes);

  /// Only the first process speaks and writes.
  void print(const std::string &text) const;
  void printNote(const std::string &note) const;
  void printConfiguration(const RunFolder &folder) const;
  void initialize();
  /// Joins the processes that run the program and calls `body(training)`; what
  /// it throws the others hear of.
  template <class Body>
  static int withOthers(const RunFolder &folder, const RunConfig &config,
                        Body body);
  void expectSameInputs() const;
  void checkInputs() const;
  RunState restore(const RunFolder &folder, std::optional<int64_t> step,
                   const ResumeChanges &changes);
  /// Returns the exit status: 0, or 128 + signal if interrupted.
  int loop(const RunFolder &folder, RunState state);
  StepMetrics runStep(RunState &state);
  StepMetrics runProfiledStep(RunState &state);
  bool isDue(int64_t every, int64_t step) const;

  RunConfig config;
  Processes &processes;
  Instance instance;
  TokenFile data;
  std::unique_ptr<LabelFile> labels;
  Trainer trainer;
  Watch watch;
  std::unique_ptr<TokenFile> validation;
  std::unique_ptr<LabelFile> validationLabels;
  std::unique_ptr<Evaluator> evaluator;
  Observations observations;
  bool hadLabels = true; ///< whether labels counted in the last step
  int signal = 0;        ///< that a process was sent until then, or 0
};

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_TRAINING_H
