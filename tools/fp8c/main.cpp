//===- main.cpp - fp8c: compiles models into training programs ------------===//

#include "../UnknownCommand.h"
#include "CompileCommand.h"
#include "DataCommand.h"
#include "InspectCommand.h"
#include "ModelCommand.h"
#include "OperatorsCommand.h"
#include "ReportCommand.h"
#include "core/Error.h"
#include "core/Escape.h"
#include "llvm/Support/raw_ostream.h"

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>

static int fail(const std::string &what, const std::string &hint = "") {
  std::fprintf(stderr, "fp8c: error: %s\n",
               fp8c::runtime::printableMessage(what).c_str());
  if (!hint.empty())
    std::fprintf(stderr, "hint: %s\n",
                 fp8c::runtime::printableMessage(hint).c_str());
  return 1;
}

/// What was printed counts when it has arrived.
static bool flush() {
  llvm::outs().flush();
  bool failed = llvm::outs().has_error();
  llvm::outs().clear_error(); // or LLVM aborts
  return std::fflush(stdout) == 0 && !failed;
}

int main(int argc, char **argv) {
  // A file-size limit shall be an error of the write, like a full disk.
  std::signal(SIGXFSZ, SIG_IGN);
  CLI::App app("fp8c: compiles ONNX models into FP8 training programs", "fp8c");
  app.require_subcommand(1);
  app.set_version_flag("--version", "fp8c " FP8C_VERSION);
  std::function<int()> action;
  fp8c::addModelCommand(app, action);
  fp8c::addDataCommand(app, action);
  fp8c::addCompileCommand(app, action);
  fp8c::addInspectCommand(app, action);
  fp8c::addOperatorsCommand(app, action);
  fp8c::addReportCommand(app, action);
  try {
    app.parse(argc, argv);
    int status = action();
    return flush()
               ? status
               : fail("cannot write to standard output", "is its disk full?");
  } catch (const CLI::ParseError &error) {
    if (error.get_exit_code() == 0)
      return app.exit(error); // --help
    if (argc > 1 && argv[1][0] != '-' && app.get_subcommands().empty()) {
      const fp8c::runtime::Error unknown = fp8c::unknownCommand(
          argv[1], "fp8c", "fp8c-run",
          {"train", "eval", "sample", "call", "profile", "info"});
      return fail(unknown.what(), unknown.hint());
    }
    std::string command = "fp8c";
    for (const CLI::App *used : app.get_subcommands())
      command += " " + used->get_name();
    return fail(error.what(), "see: " + command + " --help");
  } catch (const fp8c::runtime::Error &error) {
    return fail(error.what(), error.hint());
  } catch (const std::exception &error) {
    return fail(error.what());
  }
}
