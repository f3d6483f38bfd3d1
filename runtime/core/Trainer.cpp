//===- Trainer.cpp - One optimizer step -----------------------------------===//

#include "core/Trainer.h"

#include "core/Error.h"
#include "core/Evaluate.h"
#include "core/Text.h"

namespace fp8c::runtime {

Trainer::Trainer(Instance &instance, const TrainOptions &options,
                 const TokenFile &data)
    : instance(instance), options(options), schedule(options.scheduleOf()),
      micro(instance, "micro"), update(instance, "update"),
      shape(batchShapeOf(micro, instance.manifest())),
      batches(data, shape, options.seed) {
  data.checkVocabulary(shape.vocab);
  int64_t most = instance.manifest().model.microBatches;
  if (most && options.accumulate > most)
    throw Error(concat("--accumulate ", options.accumulate,
                       ": the program was compiled for ", most,
                       " micro-batch per step"),
                "compile the model without --micro-batches");
  options.apply(instance);
}

void Trainer::calibrate() {
  if (!instance.program().has("calibrate"))
    return;
  Function function(instance, "calibrate");
  fill(function, 1, 0);
  function.run();
}

void Trainer::fill(Function &function, int64_t step, int64_t microBatch) const {
  batches.fill(step, microBatch,
               function.input("tokens", DataType::I64).as<int64_t>(),
               function.input("targets", DataType::I64).as<int64_t>());
}

Trainer::StepResult Trainer::step(int64_t step) {
  StepResult result;
  result.lr = static_cast<float>(schedule.at(step));
  instance.setHyper("lr", result.lr);
  instance.setHyper("step", static_cast<float>(step));

  double loss = 0;
  for (int64_t i = 0; i < options.accumulate; ++i) {
    fill(micro, step, i);
    instance.setAccumulate(i > 0);
    micro.run();
    loss += *micro.output("loss").as<float>();
  }
  update.run();
  result.loss =
      static_cast<float>(loss / static_cast<double>(options.accumulate));
  result.gradNorm = *update.output("grad_norm").as<float>();
  return result;
}

int64_t Trainer::tokensPerStep() const {
  return shape.rows * shape.seq * options.accumulate;
}

} // namespace fp8c::runtime
