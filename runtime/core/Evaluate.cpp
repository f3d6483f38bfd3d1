//===- Evaluate.cpp - The mean loss over a token file ---------------------===//

#include "core/Evaluate.h"

#include "core/Error.h"
#include "core/Text.h"

#include <algorithm>
#include <vector>

namespace fp8c::runtime {

namespace {

constexpr const char *callHint =
    "losses and gradients of any program come through: fp8c-run call PROG "
    "micro --inputs X.safetensors --outputs Y.safetensors";

/// Every input is one that files can fill, and there is one of each kind.
void checkInputs(Function &function) {
  const FunctionSpec &signature = function.signature();
  for (size_t i = 0; i < signature.inputs.size(); ++i) {
    const InputSpec &input = signature.inputs[i];
    if (input.role == InputRole::None)
      throw Error(concat("the program's ", function.name(), " takes \"",
                         input.name, "\", which is neither tokens nor labels"),
                  callHint);
    if (i != signature.tokens() && i != signature.labels())
      throw Error(concat("the program's ", function.name(), " takes \"",
                         input.name, "\" besides other ",
                         input.isLabels() ? "labels" : "tokens"),
                  callHint);
  }
}

} // namespace

BatchShape batchShapeOf(Function &function, const Manifest &manifest) {
  const FunctionSpec &signature = function.signature();
  checkInputs(function);
  if (!signature.tokens())
    throw Error(concat("the program's ", function.name(),
                       " takes no tokens, which are what training data has"),
                callHint);
  const InputSpec &tokens = signature.inputs[*signature.tokens()];
  const InputSpec labels =
      signature.labels() ? signature.inputs[*signature.labels()] : InputSpec();
  if (tokens.shape.size() != 2 || tokens.shape[0] < 1 || tokens.shape[1] < 1 ||
      (signature.labels() && labels.shape != tokens.shape))
    throw Error(concat("the program's ", function.name(), " takes tokens ",
                       shapeText(tokens.shape), " and labels ",
                       shapeText(labels.shape),
                       ": files can give both as [batch, seq] only"),
                callHint);
  const int64_t vocab = manifest.model.vocab;
  BatchShape shape;
  shape.rows = tokens.shape[0];
  shape.seq = tokens.shape[1];
  shape.vocab = tokens.ids ? tokens.ids : vocab;
  shape.labels = labels.role;
  shape.classes =
      labels.ids || labels.role == InputRole::Labels ? labels.ids : vocab;
  // Where tokens are labels they are classes too.
  if (shape.classes && shape.labels != InputRole::Labels)
    shape.vocab = std::min(shape.vocab, shape.classes);
  shape.ignored = labels.ignoreIndex.value_or(shape.ignored);
  shape.pad = manifest.model.pad;
  if (shape.vocab < 1)
    throw Error("the program's vocabulary is not known: it neither looks its "
                "tokens up in a table nor gives scores of them",
                callHint);
  if (shape.labelsPerRow() < 1)
    throw Error("rows of one token have no label, since the program shifts "
                "them",
                "compile with a longer --seq");
  return shape;
}

uint64_t checkData(const TokenFile &file, const LabelFile *labels,
                   const BatchShape &shape) {
  file.checkVocabulary(shape.vocab);
  if (labels && shape.labels == InputRole::None)
    throw Error::inFile(labels->path(),
                        "the program takes no labels: it makes them of its "
                        "tokens",
                        "leave the labels out");
  if (!labels && shape.labels == InputRole::Labels)
    throw Error("the program's labels are no tokens: they need a file",
                "give it with --labels, that of --val with --val-labels: an "
                "int32 for each token, -100 where none counts");
  const uint64_t counted = labels ? labels->check(shape.classes) : 0;
  if (labels && !counted)
    throw Error::inFile(labels->path(), "none of the labels counts: all are "
                                        "negative");
  return counted;
}

Evaluator::Evaluator(Instance &instance, const TokenFile &file,
                     const LabelFile *labels)
    : file(file), eval(instance, "eval"),
      source(file, batchShapeOf(eval, instance.manifest()), labels) {
  checkData(file, labels, batchShapeOf(eval, instance.manifest()));
}

Evaluator::Result Evaluator::run(int64_t batches, Processes *processes) {
  auto *tokens = eval.tokens()->as<int64_t>();
  auto *labels = eval.labels() ? eval.labels()->as<int64_t>() : nullptr;
  const float *loss = eval.loss().as<float>();
  uint64_t available = source.count();
  uint64_t wanted = static_cast<uint64_t>(batches);
  if (wanted == 0 || wanted > available)
    wanted = available;

  // Losses times their labels, and those: of every how-many-th batch.
  const auto size = static_cast<uint64_t>(processes ? processes->size : 1),
             rank = static_cast<uint64_t>(processes ? processes->rank : 0);
  std::vector<double> mine;
  for (uint64_t i = rank; i < wanted; i += size) {
    const uint64_t counted =
        source.fill(i * available / wanted, tokens, labels);
    const auto count = static_cast<double>(counted);
    if (counted) // a mean of nothing may be NaN
      eval.run();
    mine.push_back(counted ? static_cast<double>(*loss) * count : 0);
    mine.push_back(count);
  }
  const auto all = processes ? processes->takeRows<double>(
                                   processes->shareValues("validation", mine))
                             : std::vector<std::vector<double>>{mine};
  Result result;
  double sum = 0;
  for (uint64_t i = 0; i < wanted; ++i) { // in the order of batches
    const double *batch = &all[i % size][2 * (i / size)];
    sum += batch[0];
    result.targets += static_cast<uint64_t>(batch[1]);
  }
  if (!result.targets)
    throw Error::inFile(file.path(),
                        concat("no label counts in the ", wanted,
                               " batches that are evaluated"),
                        "evaluate more batches, or the whole file");
  result.loss = sum / static_cast<double>(result.targets);
  return result;
}

} // namespace fp8c::runtime
