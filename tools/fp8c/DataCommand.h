//===- DataCommand.h - fp8c data -----------------------------*- C++ -*-===//

#ifndef FP8C_TOOLS_FP8C_DATACOMMAND_H
#define FP8C_TOOLS_FP8C_DATACOMMAND_H

#include <CLI/CLI.hpp>
#include <functional>

namespace fp8c {

/// Adds `fp8c data` to `app`. Parsing it sets `action`, which does the work
/// and returns the process's exit status.
void addDataCommand(CLI::App &app, std::function<int()> &action);

} // namespace fp8c

#endif // FP8C_TOOLS_FP8C_DATACOMMAND_H
