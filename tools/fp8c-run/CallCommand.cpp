//===- CallCommand.cpp - fp8c-run call ------------------------------------===//

#include "Commands.h"

#include "core/Error.h"
#include "core/Initialize.h"
#include "core/Instance.h"
#include "core/OutputFile.h"
#include "core/Parts.h"
#include "core/Text.h"
#include "core/TrainOptions.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstring>
#include <set>

namespace fp8c::run {
namespace {

using namespace runtime;

struct CallArguments {
  std::string program, inputs, outputs;
  std::vector<std::string> functions, hyper;
  uint64_t seed = TrainOptions().seed;
  Checks checks = Checks::On;
};

/// Training's defaults, then NAME=VALUE of the command line.
void setHyper(Instance &instance, const std::vector<std::string> &settings) {
  TrainOptions options;
  options.apply(instance);
  instance.setHyper("lr", static_cast<float>(options.lr));
  instance.setHyper("step", 1);
  const std::vector<std::string> &known = instance.manifest().hyper;
  for (const std::string &setting : settings) {
    size_t equals = setting.find('=');
    std::string name = setting.substr(0, equals);
    char *end = nullptr;
    float value = equals == std::string::npos
                      ? 0
                      : std::strtof(setting.c_str() + equals + 1, &end);
    if (!end || *end || end == setting.c_str() + equals + 1)
      throw Error("--hyper " + setting + ": expected NAME=VALUE");
    if (std::find(known.begin(), known.end(), name) == known.end())
      throw Error("the program has no hyperparameter \"" + name + "\"");
    instance.setHyper(name, value);
  }
}

/// Programs read a table's row for each id, and do not ask whether it has one.
void checkIds(const InputSpec &spec, const HostTensor &input,
              const std::string &file, int64_t vocab) {
  const bool hasRole = spec.role != InputRole::None;
  const int64_t most = spec.ids || !hasRole ? spec.ids : vocab;
  if (most <= 0 || (spec.type != DataType::I64 && spec.type != DataType::I32))
    return;
  for (uint64_t i = 0; i < spec.elements(); ++i) {
    const int64_t id = spec.type == DataType::I64 ? input.as<int64_t>()[i]
                                                  : input.as<int32_t>()[i];
    // Below zero an id counts from the end, and a label does not count.
    if (id < most && (spec.isLabels() || id >= -most))
      continue;
    const char *what = spec.isLabels() ? "loss" : "vocabulary";
    throw Error::inFile(file, concat("\"", spec.name, "\" has ", id,
                                     ", and the ", what, " ", most,
                                     spec.isLabels() ? " classes" : " tokens"));
  }
}

void fillInputs(Function &function, const SafetensorsReader *given,
                const Manifest &manifest) {
  for (size_t i = 0; i < function.inputs().size(); ++i) {
    HostTensor &input = function.inputs()[i];
    const unsigned char *data = given ? given->find(input.spec()) : nullptr;
    if (!data)
      throw Error(concat(function.name(), " needs the input \"",
                         input.spec().name, "\", ",
                         shapeText(input.spec().shape), " ",
                         nameOf(input.spec().type)),
                  "give it in a file with --inputs");
    std::memcpy(input.data(), data, input.bytes());
    checkIds(function.signature().inputs[i], input, given->path(),
             manifest.model.vocab);
  }
}

/// A misspelt name must not pass for one that was not given.
void checkAllUsed(const SafetensorsReader &given, const Manifest &manifest,
                  std::vector<Function> &functions) {
  std::set<std::string> known;
  for (const Variable &variable : manifest.variables) {
    known.insert(variable.name);
    for (const Variable &part : variable.parts)
      known.insert(part.name);
  }
  for (Function &function : functions)
    for (const HostTensor &input : function.inputs())
      known.insert(input.spec().name);
  for (const auto &entry : given.tensors())
    if (!known.count(entry.first))
      throw Error::inFile(given.path(),
                          "\"" + entry.first +
                              "\" is neither a variable nor an input of the "
                              "called functions");
}

/// Outputs under their names; a function called later overwrites an earlier
/// one's. Then the variables.
std::vector<SafetensorsEntry> results(const Instance &instance,
                                      std::vector<Function> &functions) {
  std::map<std::string, const HostTensor *> outputs;
  for (Function &function : functions)
    for (HostTensor &output : function.outputs())
      outputs[output.spec().name] = &output;
  std::vector<SafetensorsEntry> entries;
  entries.reserve(outputs.size());
  for (const auto &entry : outputs)
    entries.push_back({entry.second->spec(),
                       [tensor = entry.second](unsigned char *destination) {
                         std::memcpy(destination, tensor->data(),
                                     tensor->bytes());
                       }});
  for (const Variable &variable : instance.manifest().variables)
    for (SafetensorsEntry &entry : entriesOf(instance, variable)) {
      const std::string &name = entry.spec.name;
      if (outputs.count(name))
        throw Error("\"" + name + "\" is both an output and a variable");
      entries.push_back(std::move(entry));
    }
  return entries;
}

int call(const CallArguments &arguments) {
  Instance instance(Program::open(arguments.program, arguments.checks));
  std::unique_ptr<SafetensorsReader> given;
  if (!arguments.inputs.empty())
    given = std::make_unique<SafetensorsReader>(arguments.inputs);
  setHyper(instance, arguments.hyper);
  std::vector<Function> functions;
  for (const std::string &name : arguments.functions) {
    functions.emplace_back(instance, name);
    fillInputs(functions.back(), given.get(), instance.manifest());
  }
  if (given) {
    checkAllUsed(*given, instance.manifest(), functions);
    initializeVariables(instance, arguments.seed, *given);
  } else {
    initializeVariables(instance, arguments.seed);
  }

  instance.poisonArena();
  instance.refresh();
  if (given)
    checkKept(instance, *given);
  for (Function &function : functions) {
    instance.poisonArena();
    function.run();
    // Gradients sum up from one update to the next.
    if (function.name() == "update")
      instance.setAccumulate(false);
    else if (function.name() == "micro")
      instance.setAccumulate(true);
  }
  AtomicFile file(arguments.outputs);
  writeSafetensors(file.stream(), results(instance, functions));
  file.commit();
  return 0;
}

} // namespace

void addCallCommand(CLI::App &tool, Action &action) {
  auto *command = tool.add_subcommand(
      "call", "Call functions of a program once and write what they computed. "
              "The arena is filled with NaN before every call.");
  auto arguments = std::make_shared<CallArguments>();
  command
      ->add_option("PROG", arguments->program,
                   "compiled program (the .fp8x folder)")
      ->required();
  command
      ->add_option("FUNCTION", arguments->functions,
                   "function to call, or several in order: "
                   "calibrate,micro,update")
      ->required()
      ->delimiter(',');
  command->add_option("--inputs", arguments->inputs,
                      "safetensors file with the inputs by name; variables in "
                      "it replace initial values, and scales follow. "
                      "Parameters may be in f32, all else as it is stored");
  command
      ->add_option("--outputs", arguments->outputs,
                   "safetensors file to write: outputs and all variables")
      ->required();
  command
      ->add_option("--hyper", arguments->hyper,
                   "NAME=VALUE; defaults as in training, step=1, grad_scale=1")
      ->delimiter(',');
  command->add_option("--seed", arguments->seed, "of the initial weights")
      ->capture_default_str();
  addUnchecked(*command, arguments->checks);
  command->callback([arguments, &action] {
    action = [arguments] { return call(*arguments); };
  });
}

} // namespace fp8c::run
