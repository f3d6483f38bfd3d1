//===- ProfileCommand.cpp - fp8c-run profile ------------------------------===//

#include "Commands.h"

#include "core/Error.h"
#include "core/Escape.h"
#include "core/FormatStats.h"
#include "core/Initialize.h"
#include "core/OutputFile.h"
#include "core/ParallelFor.h"
#include "core/RankSums.h"
#include "core/Text.h"
#include "core/Trainer.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <map>
#include <optional>

namespace fp8c::run {
namespace {

using namespace runtime;

struct ProfileArguments {
  std::string program, data, labels, output = "stats.json";
  int64_t batches = 2;
  int ranks = 0; ///< 0: no sums
  Checks checks = Checks::On;
  TrainOptions options;
};

std::vector<float> read(const Instance &instance, const Variable &variable) {
  std::vector<float> values(variable.elements());
  instance.read(variable, values.data());
  return values;
}

bool isState(const Variable &variable) {
  return variable.role == Role::Parameter || variable.role == Role::Gradient ||
         variable.role == Role::Moment1 || variable.role == Role::Moment2;
}

OrderedJson useAsJson(const OperandUse &use) {
  return {{"op", use.op},
          {"gemm", use.gemm},
          {"operand", use.operand},
          {"contracting", use.contracting}};
}

/// What formats would do to the operands of contractions in the next step.
OrderedJson measureOperands(Instance &instance, const Trainer &trainer,
                            const ProfileArguments &arguments) {
  Function observe(instance, "observe");
  const std::vector<OutputSpec> &specs =
      instance.program().signature("observe").outputs;
  std::vector<FormatSurvey> surveys;
  for (const OutputSpec &spec : specs)
    surveys.emplace_back(operandFormats(), spec.shape);
  for (int64_t batch = 0; batch < arguments.batches; ++batch) {
    trainer.fill(observe, arguments.options.steps + 1, batch);
    observe.run();
    for (size_t i = 0; i < specs.size(); ++i)
      surveys[i].add(observe.output(specs[i].name).as<float>());
  }
  OrderedJson operands = OrderedJson::array();
  for (size_t i = 0; i < specs.size(); ++i) {
    OrderedJson entry = {{"name", specs[i].name},
                         {"role", specs[i].role},
                         {"shape", specs[i].shape},
                         {"uses", OrderedJson::array()}};
    for (const OperandUse &use : specs[i].uses)
      entry["uses"].push_back(useAsJson(use));
    surveys[i].writeTo(entry);
    operands.push_back(entry);
  }
  return operands;
}

/// What sums of FP8 gradients over ranks would lose in the next steps: a rank
/// is a micro-batch, and weights stay. Goes on until no matrix's mu is halved.
OrderedJson measureSums(Instance &instance, const Trainer &trainer,
                        const ProfileArguments &arguments) {
  std::vector<const Variable *> matrices;
  std::vector<RankSums> sums;
  for (const Variable &variable : instance.manifest().variables)
    if (variable.role == Role::Gradient && variable.shape.size() > 1) {
      matrices.push_back(&variable);
      sums.emplace_back(variable.elements(), arguments.ranks);
    }
  Function micro(instance, "micro");
  instance.setAccumulate(false);
  std::vector<std::vector<float>> gradients(matrices.size());
  auto forEachRank = [&](int64_t step, auto look) {
    for (int rank = 0; rank < arguments.ranks; ++rank) {
      trainer.fill(micro, step, rank);
      micro.run();
      for (size_t i = 0; i < matrices.size(); ++i)
        gradients[i] = read(instance, *matrices[i]);
      parallelFor(sums.size(), 1, [&](uint64_t first, uint64_t last) {
        for (uint64_t i = first; i < last; ++i)
          look(sums[i], gradients[i].data());
      });
    }
  };
  int64_t steps = 0;
  for (bool rests = false; !rests;) {
    const int64_t step = arguments.options.steps + ++steps;
    std::atomic<bool> finite = true;
    forEachRank(step, [&](RankSums &sum, const float *gradient) {
      if (!sum.findScale(gradient))
        finite = false;
    });
    if (!finite)
      throw Error(concat("gradients are not finite after ",
                         arguments.options.steps,
                         " steps: their sums say nothing"),
                  "lower --lr");
    forEachRank(
        step, [](RankSums &sum, const float *gradient) { sum.add(gradient); });
    rests = true;
    for (RankSums &sum : sums)
      rests &= sum.finish();
  }
  OrderedJson json = {{"ranks", arguments.ranks},
                      {"steps", steps},
                      {"gradients", OrderedJson::array()}};
  for (size_t i = 0; i < sums.size(); ++i) {
    OrderedJson entry = {{"name", matrices[i]->name},
                         {"shape", matrices[i]->shape}};
    entry.update(sums[i].toJson());
    json["gradients"].push_back(entry);
  }
  return json;
}

/// Means over all elements.
void printSums(const OrderedJson &sums) {
  std::printf("sums of E4M3 gradients over %d ranks, at rest after %d steps:\n"
              "%-14s %22s %20s %16s\n",
              sums["ranks"].get<int>(), sums["steps"].get<int>(), "",
              "terms that underflow", "sums that saturate", "worst SNR");
  const std::map<std::string, const char *> ways = {{"before", "ring, 1/N"},
                                                    {"after", "ring, 1"},
                                                    {"auto", "ring, mu"},
                                                    {"exact", "all to all"}};
  for (const char *way : {"before", "after", "auto", "exact"}) {
    double elements = 0, underflow = 0, saturated = 0, worst = INFINITY;
    for (const OrderedJson &gradient : sums["gradients"]) {
      double size = 1;
      for (int64_t extent : gradient["shape"])
        size *= static_cast<double>(extent);
      elements += size;
      underflow += size * gradient[way]["underflow"].get<double>();
      saturated += size * gradient[way]["saturated"].get<double>();
      worst = std::min(worst, gradient[way]["snr_db"].get<double>());
    }
    std::printf("%-14s %20.3f %% %18.5f %% %13.1f dB\n", ways.at(way),
                100 * underflow / elements, 100 * saturated / elements, worst);
  }
}

int profile(const ProfileArguments &arguments) {
  Program program = Program::open(arguments.program, arguments.checks);
  const auto processes = joinProcesses(program.manifest().processes);
  Instance instance(std::move(program));
  const Manifest &manifest = instance.manifest();
  for (const Variable &variable : manifest.variables)
    if (isState(variable) && variable.type != DataType::F32)
      throw Error::inFile(
          arguments.program,
          "keeps \"" + variable.name + "\" in " + nameOf(variable.type) +
              ": what other formats would do to it shows in f32 only",
          "profile the model compiled with --recipe bf16 or f32, without "
          "--micro-batches 1");
  arguments.options.check();
  // What cannot be written is told before the work.
  std::optional<AtomicFile> output;
  if (processes->isFirst())
    output.emplace(arguments.output);
  TokenFile data(arguments.data);
  std::unique_ptr<LabelFile> labels = openLabels(arguments.labels, data);
  Trainer trainer(instance, *processes, arguments.options, data, labels.get());
  initializeVariables(instance, arguments.options.seed);
  instance.refresh();
  trainer.calibrate();
  for (int64_t step = 1; step < arguments.options.steps; ++step)
    trainer.step(step);
  std::map<std::string, std::vector<float>> before;
  for (const Variable &variable : manifest.variables)
    if (variable.role == Role::Parameter)
      before[variable.name] = read(instance, variable);
  float loss = trainer.step(arguments.options.steps).loss;
  if (!std::isfinite(loss))
    throw Error(concat("the loss is not finite after ", arguments.options.steps,
                       " steps: there is nothing to measure"),
                "lower --lr");

  OrderedJson variables = OrderedJson::array();
  for (const Variable &variable : manifest.variables) {
    if (!isState(variable))
      continue;
    std::vector<float> values = read(instance, variable);
    const bool isMoment2 = variable.role == Role::Moment2;
    FormatSurvey survey(stateFormats(isMoment2), variable.shape,
                        isMoment2 || variable.role == Role::Moment1);
    auto old = before.find(variable.name);
    survey.add(values.data(),
               old == before.end() ? nullptr : old->second.data());
    OrderedJson entry = {{"name", variable.name},
                         {"role", nameOf(variable.role)},
                         {"of", variable.of},
                         {"shape", variable.shape}};
    survey.writeTo(entry);
    variables.push_back(entry);
  }
  OrderedJson document = {{"format", 3},
                          {"model", manifest.model.name},
                          {"parameters", manifest.model.parameters},
                          {"recipe", manifest.recipe},
                          {"steps", arguments.options.steps},
                          {"lr", arguments.options.lr},
                          {"loss", loss},
                          {"variables", variables}};
  bool hasOperands = instance.program().has("observe");
  if (hasOperands)
    document["operands"] = measureOperands(instance, trainer, arguments);
  if (arguments.ranks)
    document["sums"] = measureSums(instance, trainer, arguments);
  if (!output)
    return 0; // every process has measured the same
  output->stream().write(jsonText(document, 1) + "\n");
  output->commit();
  std::printf(
      "%s: %zu variables and %zu operands after %lld steps, loss %.4f\n",
      printable(arguments.output).c_str(), variables.size(),
      hasOperands ? document["operands"].size() : 0,
      static_cast<long long>(arguments.options.steps),
      static_cast<double>(loss));
  if (arguments.ranks)
    printSums(document["sums"]);
  if (!hasOperands)
    std::printf("hint: to measure the operands of products too, compile the "
                "program with --expose-operands\n");
  return 0;
}

} // namespace

void addProfileCommand(CLI::App &tool, Action &action) {
  auto *command = tool.add_subcommand(
      "profile",
      "Train some steps and measure what each format and granularity "
      "would do to parameters, gradients and moments, and to the "
      "operands of products if the program was compiled with "
      "--expose-operands.");
  auto arguments = std::make_shared<ProfileArguments>();
  TrainOptions &options = arguments->options;
  options.steps = 200;
  command
      ->add_option("PROG", arguments->program,
                   "compiled program with f32 states (recipe f32 or bf16)")
      ->required();
  command->add_option("--data", arguments->data, "training tokens")->required();
  command->add_option("--labels", arguments->labels,
                      "their labels, as train takes them");
  command->add_option("-o", arguments->output, "statistics to write")
      ->capture_default_str();
  command->add_option("--steps", options.steps, "optimizer steps before")
      ->capture_default_str();
  command
      ->add_option("--batches", arguments->batches,
                   "micro-batches in which operands are measured")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command
      ->add_option("--ranks", arguments->ranks,
                   "also add up E4M3 gradients of this many simulated "
                   "data-parallel ranks, a micro-batch each: divided by their "
                   "number before, after, or by automatic scaling")
      ->check(CLI::Range(2, 4096));
  command->add_option("--lr", options.lr, "learning rate, constant")
      ->capture_default_str();
  command->add_option("--beta1", options.beta1)->capture_default_str();
  command->add_option("--beta2", options.beta2)->capture_default_str();
  command->add_option("--seed", options.seed, "of weights and data order")
      ->capture_default_str();
  addUnchecked(*command, arguments->checks);
  command->callback([arguments, &action] {
    arguments->options.schedule = "constant";
    arguments->options.minLr = arguments->options.lr;
    action = [arguments] { return profile(*arguments); };
  });
}

} // namespace fp8c::run
