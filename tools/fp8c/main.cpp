//===- main.cpp - fp8c: compiles models into training programs ------------===//

#include "CompileCommand.h"
#include "DataCommand.h"
#include "InspectCommand.h"
#include "ModelCommand.h"
#include "OperatorsCommand.h"
#include "core/Error.h"

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>

int main(int argc, char **argv) {
  // A file-size limit shall be an error of the write, like a full disk.
  std::signal(SIGXFSZ, SIG_IGN);
  CLI::App app("fp8c: compiles ONNX models into FP8 training programs");
  app.require_subcommand(1);
  app.set_version_flag("--version", "fp8c " FP8C_VERSION);
  std::function<int()> action;
  fp8c::addModelCommand(app, action);
  fp8c::addDataCommand(app, action);
  fp8c::addCompileCommand(app, action);
  fp8c::addInspectCommand(app, action);
  fp8c::addOperatorsCommand(app, action);
  CLI11_PARSE(app, argc, argv);
  try {
    return action();
  } catch (const fp8c::runtime::Error &error) {
    std::fprintf(stderr, "fp8c: error: %s\n", error.what());
    if (!error.hint().empty())
      std::fprintf(stderr, "hint: %s\n", error.hint().c_str());
  } catch (const std::exception &error) {
    std::fprintf(stderr, "fp8c: error: %s\n", error.what());
  }
  return 1;
}
