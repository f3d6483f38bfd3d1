//===- Trainer.cpp - One optimizer step -----------------------------------===//

#include "core/Trainer.h"

#include "core/Error.h"
#include "core/Evaluate.h"
#include "core/Interrupt.h"
#include "core/Text.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace fp8c::runtime {

Trainer::Trainer(Instance &instance, Processes &processes,
                 const TrainOptions &options, const TokenFile &data,
                 const LabelFile *labels)
    : instance(instance), processes(processes), options(options),
      schedule(options.scheduleOf()), micro(instance, "micro"),
      update(instance, "update"),
      shape(batchShapeOf(micro, instance.manifest())),
      batches(data, shape, options.seed, labels),
      counted(checkData(data, labels, shape)) {
  const int64_t needed = instance.manifest().model.microBatches;
  if (needed && options.accumulate != needed)
    throw Error(concat("--accumulate ", options.accumulate,
                       ": the program was compiled for ", needed,
                       needed == 1 ? " micro-batch" : " micro-batches",
                       " per step"),
                concat("train it with --accumulate ", needed,
                       ", or compile the model with another --micro-batches, "
                       "or without"));
  if (instance.program().has("micro_last"))
    microLast.emplace(instance, "micro_last");
  options.apply(instance);
  weighAlone();
}

void Trainer::weighAlone() {
  instance.setHyper("grad_scale", 1.0f / static_cast<float>(options.accumulate *
                                                            processes.size));
}

void Trainer::calibrate() {
  if (!instance.program().has("calibrate"))
    return;
  constexpr int64_t mostTries = 1000;
  Function function(instance, "calibrate");
  const int64_t chunk = reproducible() ? 0 : chunkOf(0, processes.rank);
  for (int64_t step = 1; !fillChunk(function, step, chunk) && step < mostTries;)
    ++step;
  function.run();
}

uint64_t Trainer::fill(Function &function, int64_t step,
                       int64_t microBatch) const {
  return fillChunk(function, step, chunkOf(microBatch, processes.rank));
}

uint64_t Trainer::fillChunk(Function &function, int64_t step,
                            int64_t chunk) const {
  HostTensor *labels = function.labels();
  return batches.fill(step, chunk, function.tokens()->as<int64_t>(),
                      labels ? labels->as<int64_t>() : nullptr);
}

/// Data say it: no process needs to ask another.
std::vector<Trainer::MicroBatch> Trainer::microBatchesOf(int64_t step) const {
  std::vector<MicroBatch> all;
  const int64_t chunks = options.accumulate * processes.size;
  int64_t first = 0; // that has labels, in the step
  while (reproducible() && first < chunks && !batches.count(step, first))
    ++first;
  if (first == chunks)
    return all;
  for (int64_t i = 0; i < options.accumulate; ++i) {
    const int64_t own = chunkOf(i, processes.rank);
    MicroBatch one = {0, 0, own};
    for (int64_t process = processes.size; process-- > 0;) {
      const int64_t chunk = chunkOf(i, process);
      if (const uint64_t count = batches.count(step, chunk)) {
        one.allLabels += count;
        if (chunk == own)
          one.labels = count;
        one.chunk = chunk;
      }
    }
    if (one.labels)
      one.chunk = own;
    else if (reproducible())
      one.chunk = first;
    if (one.allLabels || reproducible())
      all.push_back(one);
  }
  return all;
}

Trainer::StepResult Trainer::step(int64_t step) {
  StepResult result;
  result.lr = static_cast<float>(schedule.at(step));
  instance.setHyper("lr", result.lr);
  instance.setHyper("step", static_cast<float>(step));

  const std::vector<MicroBatch> all = microBatchesOf(step);
  for (const MicroBatch &one : all)
    result.labels += one.allLabels;
  const auto total = static_cast<double>(result.labels);
  std::vector<double> mine = {0}; // a signal, and losses times their labels
  float number = 0;
  for (const MicroBatch &one : all) {
    Function &function = microLast && &one == &all.back() ? *microLast : micro;
    const auto count = static_cast<double>(one.labels);
    fillChunk(function, step, one.chunk);
    instance.setHyper("micro_batch", number++);
    instance.setHyper("grad_scale", static_cast<float>(count / total));
    instance.setAccumulate(&one != &all.front());
    function.run();
    mine.push_back(
        one.labels ? count * static_cast<double>(*function.loss().as<float>())
                   : 0);
  }
  // On its way while the update runs. All stop after the same step, whoever was
  // asked to.
  mine.front() = takeInterrupt();
  const Processes::Shared shared =
      processes.shareValues("loss and signal", mine);
  if (result.labels)
    update.run();
  double loss = 0;
  const auto shares = processes.takeRows<double>(shared);
  for (const std::vector<double> &one : shares)
    result.signal = std::max(result.signal, static_cast<int>(one.front()));
  for (size_t i = 1; i < mine.size(); ++i) // in the order of the step's chunks
    for (const std::vector<double> &one : shares)
      loss += one[i];
  result.loss = result.gradNorm = NAN;
  if (!result.labels)
    return result;
  result.loss = static_cast<float>(loss / total);
  result.gradNorm = *update.output("grad_norm").as<float>();
  weighAlone();
  return result;
}

int64_t Trainer::tokensPerStep() const {
  return shape.rows * shape.seq * options.accumulate * processes.size;
}

} // namespace fp8c::runtime
