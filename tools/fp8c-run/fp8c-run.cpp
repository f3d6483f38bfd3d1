//===- fp8c-run.cpp - Trains and uses compiled programs -------------------===//

#include "Commands.h"

#include "../UnknownCommand.h"
#include "core/Error.h"
#include "core/Escape.h"

#include <CLI/CLI.hpp>

#include <csignal>
#include <cstdio>
#include <poll.h>
#include <unistd.h>

using namespace fp8c::run;

static int fail(const std::string &what, const std::string &hint) {
  std::fflush(stdout);
  std::fprintf(stderr, "fp8c-run: error: %s\n",
               fp8c::runtime::printableMessage(what).c_str());
  if (!hint.empty())
    std::fprintf(stderr, "hint: %s\n",
                 fp8c::runtime::printableMessage(hint).c_str());
  return 1;
}

void fp8c::run::addUnchecked(CLI::App &command, runtime::Checks &checks) {
  command.add_flag_callback(
      "--unchecked", [&checks] { checks = runtime::Checks::Off; },
      "do not compare the program with its checksums: for one that was rebuilt "
      "or edited by hand");
}

/// Has whoever read standard output gone? Then nobody misses the rest.
static bool isPipeClosed() {
  pollfd output = {STDOUT_FILENO, POLLOUT, 0};
  return poll(&output, 1, 0) == 1 && (output.revents & POLLERR);
}

int main(int argc, char **argv) {
  // A file size limit shall be an error like a full disk, not a silent death.
  std::signal(SIGXFSZ, SIG_IGN);

  CLI::App tool("Trains and uses the programs that fp8c compiles.", "fp8c-run");
  tool.require_subcommand(1);
  tool.set_version_flag("--version", "fp8c-run " FP8C_VERSION);
  Action action;
  addTrainCommand(tool, action);
  addEvalCommand(tool, action);
  addSampleCommand(tool, action);
  addCallCommand(tool, action);
  addProfileCommand(tool, action);
  addInfoCommand(tool, action);
  try {
    tool.parse(argc, argv);
    int status = action();
    if ((std::fflush(stdout) != 0 || std::ferror(stdout)) && !isPipeClosed())
      return fail("cannot write to standard output", "is its disk full?");
    return status;
  } catch (const CLI::ParseError &error) {
    if (error.get_exit_code() == 0)
      return tool.exit(error); // --help
    if (argc > 1 && argv[1][0] != '-' && tool.get_subcommands().empty()) {
      const fp8c::runtime::Error unknown = fp8c::unknownCommand(
          argv[1], "fp8c-run", "fp8c",
          {"model", "data", "compile", "inspect", "operators", "report"});
      return fail(unknown.what(), unknown.hint());
    }
    std::string command = "fp8c-run";
    for (const CLI::App *used : tool.get_subcommands())
      command += " " + used->get_name();
    return fail(error.what(), "see: " + command + " --help");
  } catch (const fp8c::runtime::Error &error) {
    return fail(error.what(), error.hint());
  } catch (const std::bad_alloc &) {
    return fail("out of memory", "compile with a smaller batch");
  } catch (const std::exception &error) { // nothing should come this way
    return fail(std::string("internal: ") + error.what(),
                "please report this with the command line");
  }
}
