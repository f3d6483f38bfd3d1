//===- ProfileCommand.cpp - fp8c-run profile ------------------------------===//

#include "Commands.h"

#include "core/Error.h"
#include "core/FormatStats.h"
#include "core/Initialize.h"
#include "core/OutputFile.h"
#include "core/Text.h"
#include "core/Trainer.h"

#include <CLI/CLI.hpp>

#include <cstdio>

namespace fp8c::run {
namespace {

using namespace runtime;

struct ProfileArguments {
  std::string program, data, output = "stats.json";
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

int profile(const ProfileArguments &arguments) {
  Instance instance(Program::open(arguments.program));
  const Manifest &manifest = instance.manifest();
  for (const Variable &variable : manifest.variables)
    if (isState(variable) && variable.type != DataType::F32)
      throw Error::inFile(
          arguments.program,
          "keeps \"" + variable.name + "\" in " + nameOf(variable.type) +
              ": what other formats would do to it shows in f32 only",
          "profile the model compiled with --recipe bf16 or f32");
  arguments.options.check();
  TokenFile data(arguments.data);
  Trainer trainer(instance, arguments.options, data);
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

  OrderedJson variables = OrderedJson::array();
  for (const Variable &variable : manifest.variables) {
    if (!isState(variable))
      continue;
    std::vector<float> values = read(instance, variable);
    OrderedJson formats = OrderedJson::object();
    for (const std::string &format : stateFormats()) {
      bool isRoot = format == "e4m3-sqrt";
      if (isRoot && variable.role != Role::Moment2)
        continue;
      const std::vector<float> &old = before[variable.name];
      formats[format] =
          toJson(measureFormat(format, values, old), !old.empty());
    }
    OrderedJson entry = {
        {"name", variable.name},  {"role", nameOf(variable.role)},
        {"of", variable.of},      {"shape", variable.shape},
        {"amax", amaxOf(values)}, {"formats", formats}};
    variables.push_back(entry);
  }
  OrderedJson document = {{"format", 1},
                          {"model", manifest.model.name},
                          {"parameters", manifest.model.parameters},
                          {"recipe", manifest.recipe},
                          {"steps", arguments.options.steps},
                          {"lr", arguments.options.lr},
                          {"loss", loss},
                          {"variables", variables}};
  writeFile(arguments.output, document.dump(1) + "\n");
  std::printf("%s: %zu variables after %lld steps, loss %.4f\n",
              arguments.output.c_str(), variables.size(),
              static_cast<long long>(arguments.options.steps),
              static_cast<double>(loss));
  return 0;
}

} // namespace

void addProfileCommand(CLI::App &tool, Action &action) {
  auto *command = tool.add_subcommand(
      "profile", "Train some steps and measure what each format would do to "
                 "parameters, gradients and moments.");
  auto arguments = std::make_shared<ProfileArguments>();
  TrainOptions &options = arguments->options;
  options.steps = 200;
  command
      ->add_option("PROG", arguments->program,
                   "compiled program with f32 states (recipe f32 or bf16)")
      ->required();
  command->add_option("--data", arguments->data, "training tokens")->required();
  command->add_option("-o", arguments->output, "statistics to write")
      ->capture_default_str();
  command->add_option("--steps", options.steps, "optimizer steps before")
      ->capture_default_str();
  command->add_option("--lr", options.lr, "learning rate, constant")
      ->capture_default_str();
  command->add_option("--beta1", options.beta1)->capture_default_str();
  command->add_option("--beta2", options.beta2)->capture_default_str();
  command->add_option("--seed", options.seed, "of weights and data order")
      ->capture_default_str();
  command->callback([arguments, &action] {
    arguments->options.schedule = "constant";
    arguments->options.minLr = arguments->options.lr;
    action = [arguments] { return profile(*arguments); };
  });
}

} // namespace fp8c::run
