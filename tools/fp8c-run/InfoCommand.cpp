//===- InfoCommand.cpp - fp8c-run info ------------------------------------===//

#include "Commands.h"

#include "core/Program.h"
#include "core/RunFolder.h"
#include "core/Text.h"

#include <CLI/CLI.hpp>

#include <cstdio>

namespace fp8c::run {
namespace {

using namespace runtime;

std::string roleOf(const InputSpec &input) { return nameOf(input.role); }
std::string roleOf(const OutputSpec &) { return ""; }

std::string signatureText(const FunctionSpec &function) {
  auto list = [](const auto &tensors) {
    std::string text;
    if (tensors.size() > 8) // the operands that `observe` gives
      return concat("(", tensors.size(), " tensors)");
    for (const auto &tensor : tensors) {
      const std::string role = roleOf(tensor);
      text += (text.empty() ? "" : ", ") + tensor.name + " " +
              nameOf(tensor.type) + "[" +
              (tensor.shape.empty() ? "" : shapeText(tensor.shape)) + "]" +
              (role.empty() || role == tensor.name ? "" : " " + role);
    }
    return "(" + text + ")";
  };
  return list(function.inputs) + " -> " + list(function.outputs);
}

void describeProgram(const Program &program, Table &table) {
  const Manifest &manifest = program.manifest();
  const ModelInfo &model = manifest.model;
  table.row("program", program.folder());
  table.row("compiler", manifest.compiler);
  table.row("target", manifest.target);
  table.row("recipe", manifest.recipe);
  table.row("fingerprint", manifest.fingerprint);
  if (model.vocab > 0)
    table.row(
        "model",
        concat(
            model.name, ", ", withThousands(model.parameters), " parameters, ",
            model.frozen ? withThousands(model.frozen) + " frozen ones, " : "",
            "vocabulary ", withThousands(model.vocab), ", batch ", model.batch,
            " x ", model.seq));
  table.row("variables", bytesText(manifest.variablesBytes));
  for (Role role : {Role::Parameter, Role::Gradient, Role::Moment1,
                    Role::Moment2, Role::Scale, Role::ComputeWeight,
                    Role::Frozen, Role::GradientParts, Role::Mu})
    if (uint64_t bytes = manifest.bytesOf(role))
      table.row(concat("  ", nameOf(role)), bytesText(bytes));
  table.row("arena", bytesText(manifest.arenaBytes) +
                         (manifest.arenaLowerBound == 0
                              ? ""
                              : " (lower bound " +
                                    bytesText(manifest.arenaLowerBound) + ")"));
  if (manifest.workspaceBytes)
    table.row("workspace", bytesText(manifest.workspaceBytes));
  for (const auto &[name, function] : manifest.functions)
    table.row("@" + name, signatureText(function));
}

int info(const std::string &path, Checks checks) {
  Table table;
  if (RunFolder::exists(path)) {
    RunFolder folder(path);
    RunConfig config = folder.readConfig();
    table.row("run", folder.path());
    table.row("data",
              concat(config.data, ", ",
                     withThousands(static_cast<int64_t>(config.dataTokens)),
                     " tokens"));
    if (!config.validation.empty())
      table.row("validation", config.validation);
    std::string saved;
    for (int64_t step : folder.checkpoints().steps())
      saved += (saved.empty() ? "" : ", ") + withThousands(step);
    table.row("steps", withThousands(config.options.steps));
    table.row("checkpoints", saved.empty() ? "none" : "step " + saved);
    describeProgram(Program::open(config.program, checks), table);
  } else {
    describeProgram(Program::open(path, checks), table);
  }
  std::fputs(table.str().c_str(), stdout);
  return 0;
}

} // namespace

void addInfoCommand(CLI::App &tool, Action &action) {
  auto *command =
      tool.add_subcommand("info", "What a program or a run consists of.");
  auto path = std::make_shared<std::string>();
  command->add_option("PATH", *path, "compiled program or run folder")
      ->required();
  auto checks = std::make_shared<Checks>(Checks::On);
  addUnchecked(*command, *checks);
  command->callback([path, checks, &action] {
    action = [path, checks] { return info(*path, *checks); };
  });
}

} // namespace fp8c::run
