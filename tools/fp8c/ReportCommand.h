//===- ReportCommand.h - fp8c report ----------------------------*- C++ -*-===//

#ifndef TOOLS_FP8C_REPORTCOMMAND_H
#define TOOLS_FP8C_REPORTCOMMAND_H

#include <CLI/CLI.hpp>
#include <functional>

namespace fp8c {

/// Adds `fp8c report`; when it is given, `action` is set to what it does.
void addReportCommand(CLI::App &app, std::function<int()> &action);

} // namespace fp8c

#endif // TOOLS_FP8C_REPORTCOMMAND_H
