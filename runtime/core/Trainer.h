//===- Trainer.h - One optimizer step ---------------------------*- C++ -*-===//

#ifndef FP8C_RUNTIME_CORE_TRAINER_H
#define FP8C_RUNTIME_CORE_TRAINER_H

#include "core/Batches.h"
#include "core/Instance.h"
#include "core/TrainOptions.h"

namespace fp8c::runtime {

/// Steps an instance through its data.
class Trainer {
public:
  struct StepResult {
    float loss = 0;     ///< mean over the labels that count; NaN if none does
    float gradNorm = 0; ///< before clipping
    float lr = 0;
    uint64_t labels = 0; ///< how many count
    int signal = 0;      ///< that a process was sent, or 0; alike in all
  };

  /// Checks the data as checkData(). Everything passed in must outlive this
  /// object.
  Trainer(Instance &instance, Processes &processes, const TrainOptions &options,
          const TokenFile &data, const LabelFile *labels = nullptr);

  /// Lets a fresh program see the first micro-batch that has labels, which
  /// seeds its FP8 scales; each process its own, or, if it is reproducible, the
  /// first of all. Does nothing if the recipe needs none.
  void calibrate();

  /// Step `step`, counted from 1: every micro-batch, then the update. Loss and
  /// gradients are means over the labels that count in all of them, of all
  /// processes; where none does, everything stays as it is.
  StepResult step(int64_t step);

  /// Gives a function that takes tokens and labels, as `micro` and `observe`,
  /// those of a micro-batch: of step `step`, counted from 1, number
  /// `microBatch`, counted from 0. Returns how many labels count.
  uint64_t fill(Function &function, int64_t step, int64_t microBatch) const;

  BatchShape batchShape() const { return shape; }
  int64_t tokensPerStep() const;
  int64_t microBatches() const { return options.accumulate; }
  /// Of the label file; 0 if there is none.
  uint64_t labelsThatCount() const { return counted; }

private:
  /// A micro-batch of the joint batch, as this process takes part in it. All
  /// processes call the same functions, for these talk to each other: one whose
  /// own part has no labels, a mean of which may be NaN, computes that of
  /// another with weight 0.
  struct MicroBatch {
    uint64_t allLabels; ///< of all processes
    uint64_t labels;    ///< of this one
    int64_t chunk;      ///< that it computes, see TrainingBatches
  };
  /// Those of a step in which there are labels; of a reproducible program all,
  /// unless none has any.
  std::vector<MicroBatch> microBatchesOf(int64_t step) const;
  bool reproducible() const { return instance.manifest().model.reproducible; }
  int64_t chunkOf(int64_t microBatch, int64_t process) const {
    return microBatch * processes.size + process;
  }
  uint64_t fillChunk(Function &function, int64_t step, int64_t chunk) const;
  /// Who looks at a micro-batch by itself sees it as one of equal ones.
  void weighAlone();

  Instance &instance;
  Processes &processes;
  const TrainOptions &options;
  Schedule schedule;
  Function micro, update;
  /// Where gradients are summed over processes in the last micro-batch alone.
  std::optional<Function> microLast;
  BatchShape shape;
  TrainingBatches batches;
  uint64_t counted;
};

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_TRAINER_H
