//===- ReportCommand.cpp - fp8c report ------------------------------------===//
//
//   $ fp8c report run-bf16 run-fp8 -o report.html
//
// One page without references to anything outside of it: the data of the runs
// as JSON, and a script that draws them (report.html).
//
//===----------------------------------------------------------------------===//

#include "ReportCommand.h"

#include "core/Error.h"
#include "core/Escape.h"
#include "core/FileSystem.h"
#include "core/Json.h"
#include "core/Manifest.h"
#include "core/Metrics.h"
#include "core/OutputFile.h"
#include "core/RunFolder.h"
#include "core/Text.h"

#include <cstdio>
#include <filesystem>
#include <map>

using namespace fp8c;
using namespace fp8c::runtime;

static constexpr char kPage[] =
#include "report.html.inc"
    ;

/// The lines of a file of JSON lines that are as they were written; which ones
/// are not is said once.
static OrderedJson linesOf(const std::string &path) {
  OrderedJson lines = OrderedJson::array();
  const std::string note =
      noteOn(readLines(path, [&](const OrderedJson &line,
                                 uint64_t) { lines.push_back(line); }),
             path);
  if (!note.empty())
    std::fprintf(stderr, "fp8c: note: %s\n", note.c_str());
  return lines;
}

static OrderedJson describe(const std::string &path) {
  RunFolder folder(path);
  RunConfig config = folder.readConfig();
  Manifest manifest = Manifest::read(config.program + "/manifest.json");
  std::map<std::string, uint64_t> bytes;
  std::map<std::pair<std::string, std::string>, std::pair<uint64_t, uint64_t>>
      formats;
  for (const Variable &variable : manifest.variables) {
    bytes[nameOf(variable.role)] += variable.bytes();
    std::string format = nameOf(variable.type);
    if (const Variable *scale = manifest.findVariable(variable.scale))
      format +=
          scale->role == Role::Scale ? " with scale" : " with scales of tiles";
    auto &[count, elements] = formats[{nameOf(variable.role), format}];
    ++count;
    elements += variable.elements();
  }
  OrderedJson memory = OrderedJson::array(), precision = OrderedJson::array();
  for (auto &[role, size] : bytes)
    memory.push_back({{"class", role}, {"bytes", size}});
  for (auto &[key, sizes] : formats)
    precision.push_back({{"class", key.first},
                         {"format", key.second},
                         {"count", sizes.first},
                         {"elements", sizes.second}});
  std::string name =
      std::filesystem::path(path + "/.").parent_path().filename().string();
  return {{"name", name.empty() ? path : name},
          {"model", manifest.model.name},
          {"recipe", manifest.recipe},
          {"parameters", manifest.model.parameters},
          {"arena_bytes", manifest.arenaBytes},
          {"memory", memory},
          {"precision", precision},
          {"metrics", linesOf(folder.metricsPath())},
          {"watch", linesOf(folder.watchPath())}};
}

static int report(const std::vector<std::string> &runs,
                  const std::string &output) {
  OrderedJson data = OrderedJson::array();
  for (const std::string &run : runs)
    data.push_back(describe(run));
  std::string text = scriptText(jsonText(data)), page = kPage;
  const std::string mark = "@DATA@";
  page.replace(page.find(mark), mark.size(), text);
  writeFile(output, page);
  std::printf("%s: %zu %s\n", printable(output).c_str(), runs.size(),
              runs.size() == 1 ? "run" : "runs");
  return 0;
}

void fp8c::addReportCommand(CLI::App &app, std::function<int()> &action) {
  auto runs = std::make_shared<std::vector<std::string>>();
  auto output = std::make_shared<std::string>("report.html");
  CLI::App *command = app.add_subcommand(
      "report",
      "Draw one or several runs: losses, memory, formats, FP8 statistics");
  command->add_option("runs", *runs, "Run folders")->required();
  command
      ->add_option("-o,--output", *output,
                   "HTML file to write, which refers to no other")
      ->capture_default_str();
  command->callback([runs, output, &action] {
    action = [runs, output] { return report(*runs, *output); };
  });
}
