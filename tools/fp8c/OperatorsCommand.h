//===- OperatorsCommand.h - fp8c operators ------------------------*- C++
//-*-===//

#ifndef FP8C_TOOLS_FP8C_OPERATORSCOMMAND_H
#define FP8C_TOOLS_FP8C_OPERATORSCOMMAND_H

#include <CLI/CLI.hpp>
#include <functional>

namespace fp8c {

/// Adds `fp8c operators` to `app`. Parsing it sets `action`, which does the
/// work and returns the process's exit status.
void addOperatorsCommand(CLI::App &app, std::function<int()> &action);

} // namespace fp8c

#endif // FP8C_TOOLS_FP8C_OPERATORSCOMMAND_H
