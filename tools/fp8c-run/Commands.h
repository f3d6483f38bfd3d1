//===- Commands.h - The commands of fp8c-run --------------------*- C++ -*-===//

#ifndef FP8C_TOOLS_FP8C_RUN_COMMANDS_H
#define FP8C_TOOLS_FP8C_RUN_COMMANDS_H

#include "core/Manifest.h"

#include <functional>

namespace CLI {
class App;
} // namespace CLI

namespace fp8c::run {

/// What the chosen command does; returns the exit status.
using Action = std::function<int()>;

/// Adds --unchecked, for those who rebuild or edit a program.
void addUnchecked(CLI::App &command, runtime::Checks &checks);

/// Each adds one command to the tool. When the command is given, `action` is
/// set to what it does.
void addTrainCommand(CLI::App &tool, Action &action);
void addEvalCommand(CLI::App &tool, Action &action);
void addSampleCommand(CLI::App &tool, Action &action);
void addCallCommand(CLI::App &tool, Action &action);
void addProfileCommand(CLI::App &tool, Action &action);
void addInfoCommand(CLI::App &tool, Action &action);

} // namespace fp8c::run

#endif // FP8C_TOOLS_FP8C_RUN_COMMANDS_H
