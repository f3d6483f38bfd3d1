//===- EvalCommand.cpp - fp8c-run eval ------------------------------------===//

#include "Commands.h"

#include "core/Evaluate.h"
#include "core/Model.h"
#include "core/Text.h"

#include <CLI/CLI.hpp>

#include <cmath>
#include <cstdio>

namespace fp8c::run {
namespace {

using namespace runtime;

struct EvalArguments {
  std::string model, data, labels;
  int64_t batches = 0;
  Checks checks = Checks::On;
};

int evaluate(EvalArguments arguments) {
  Model model = Model::open(arguments.model, arguments.checks);
  if (arguments.data.empty() && model.run) {
    arguments.data = model.run->validation;
    if (arguments.labels.empty())
      arguments.labels = model.run->validationLabels;
  }
  if (arguments.data.empty())
    throw Error("there is no data to evaluate on", "name it with --data");
  TokenFile file(arguments.data);
  std::unique_ptr<LabelFile> labels = openLabels(arguments.labels, file);
  Evaluator evaluator(*model.instance, file, labels.get());
  Evaluator::Result result = evaluator.run(arguments.batches);

  Table table;
  table.row("weights", model.weights);
  table.row("data", arguments.data);
  if (labels)
    table.row("labels", arguments.labels);
  table.row("tokens", withThousands(static_cast<int64_t>(result.targets)));
  table.row("loss", numberText("%.6f nats per token", result.loss));
  table.row("perplexity", numberText("%.6g", std::exp(result.loss)));
  if (!model.note.empty())
    table.row("note", model.note);
  std::fputs(table.str().c_str(), stdout);
  return 0;
}

} // namespace

void addEvalCommand(CLI::App &tool, Action &action) {
  auto *command = tool.add_subcommand(
      "eval", "Mean loss and perplexity of a model over a token file.");
  auto arguments = std::make_shared<EvalArguments>();
  command
      ->add_option("MODEL", arguments->model,
                   "run folder (newest checkpoint), checkpoint folder, or "
                   "compiled program (initial weights)")
      ->required();
  command->add_option("--data", arguments->data,
                      "tokens to evaluate on [the run's --val]");
  command->add_option("--labels", arguments->labels,
                      "their labels, as train takes them [the run's "
                      "--val-labels, if --data is not given]");
  command
      ->add_option("--batches", arguments->batches,
                   "batches, spread evenly over the file; 0: the whole file")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  addUnchecked(*command, arguments->checks);
  command->callback([arguments, &action] {
    action = [arguments] { return evaluate(*arguments); };
  });
}

} // namespace fp8c::run
