//===- ModelCommand.h - fp8c model: writes a GPT model ----------*- C++ -*-===//

#ifndef FP8C_TOOLS_FP8C_MODELCOMMAND_H
#define FP8C_TOOLS_FP8C_MODELCOMMAND_H

#include <CLI/CLI.hpp>
#include <functional>

namespace fp8c {

/// Adds `fp8c model` to `app`. Parsing it sets `action`, which does the work
/// and returns the process's exit status.
void addModelCommand(CLI::App &app, std::function<int()> &action);

} // namespace fp8c

#endif // FP8C_TOOLS_FP8C_MODELCOMMAND_H
