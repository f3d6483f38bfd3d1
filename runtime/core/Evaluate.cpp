//===- Evaluate.cpp - The mean loss over a token file ---------------------===//

#include "core/Evaluate.h"

#include "core/Error.h"

namespace fp8c::runtime {

BatchShape batchShapeOf(Function &function, const Manifest &manifest) {
  const HostTensor &tokens = function.input("tokens", DataType::I64);
  const HostTensor &targets = function.input("targets", DataType::I64);
  const std::vector<int64_t> &shape = tokens.spec().shape;
  if (shape.size() != 2 || shape[0] < 1 || shape[1] < 1 ||
      targets.spec().shape != shape || manifest.model.vocab < 1)
    throw Error("the program is not a language model: it needs tokens and "
                "targets of one shape [batch, seq] and a vocabulary");
  return {shape[0], shape[1], manifest.model.vocab};
}

Evaluator::Evaluator(Instance &instance, const TokenFile &file)
    : eval(instance, "eval"),
      source(file, batchShapeOf(eval, instance.manifest())) {
  file.checkVocabulary(instance.manifest().model.vocab);
}

Evaluator::Result Evaluator::run(int64_t batches) {
  auto *tokens = eval.input("tokens", DataType::I64).as<int64_t>();
  auto *targets = eval.input("targets", DataType::I64).as<int64_t>();
  const float *loss = eval.output("loss").as<float>();
  uint64_t available = source.count();
  uint64_t wanted = static_cast<uint64_t>(batches);
  if (wanted == 0 || wanted > available)
    wanted = available;

  Result result;
  double sum = 0;
  for (uint64_t i = 0; i < wanted; ++i) {
    uint64_t counted = source.fill(i * available / wanted, tokens, targets);
    eval.run();
    sum += static_cast<double>(*loss) * static_cast<double>(counted);
    result.targets += counted;
  }
  result.loss = sum / static_cast<double>(result.targets);
  return result;
}

} // namespace fp8c::runtime
