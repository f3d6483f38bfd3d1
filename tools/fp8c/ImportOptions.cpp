//===- ImportOptions.cpp - Options that say what parts are
//-----------------===//

#include "ImportOptions.h"

#include "core/Error.h"
#include "core/Safetensors.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/GlobPattern.h"

namespace fp8c {

static std::string checkPattern(const std::string &pattern) {
  constexpr size_t maxSubPatterns = 1024; // of {a,b}
  llvm::Expected<llvm::GlobPattern> glob =
      llvm::GlobPattern::create(pattern, maxSubPatterns);
  return glob ? "" : llvm::toString(glob.takeError());
}

/// "NAME=VALUE", of which the name may contain `=`.
static std::pair<std::string, std::string> splitLast(const std::string &text) {
  auto [name, value] = llvm::StringRef(text).rsplit('=');
  return {name.str(), value.str()};
}

static std::string checkAssignment(const std::string &text) {
  auto [name, value] = splitLast(text);
  return name.empty() || value.empty() ? "'" + text + "' is not NAME=VALUE"
                                       : "";
}

static std::string checkSize(const std::string &text) {
  int64_t size;
  if (std::string error = checkAssignment(text); !error.empty())
    return error;
  bool isSize =
      !llvm::StringRef(splitLast(text).second).getAsInteger(10, size) &&
      size >= 0;
  return isSize ? "" : "'" + text + "' gives no size";
}

void addImportOptions(CLI::App &command, ImportONNXOptions &options) {
  auto addMany = [&](const char *name, const char *help) {
    return command.add_option(name)
        ->description(help)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->expected(1, 1 << 16)
        ->allow_extra_args(false)
        ->group("What the model's parts are");
  };
  addMany("--train", "Tensors that are parameters, by a pattern of names (*, "
                     "?, [a-c], {a,b}); of several --train and --freeze that "
                     "match, the last counts: --freeze '*' --train '*lora*'")
      ->check(checkPattern);
  addMany("--freeze", "Tensors that stay as they are, by a pattern: they have "
                      "no gradient, no moments and no update")
      ->check(checkPattern);
  addMany("--params", "A safetensors file: what it has names of is trained")
      ->check(CLI::ExistingFile);
  addMany("--dim", "NAME=SIZE of a dimension that the model leaves open")
      ->check(checkSize);
  addMany("--input",
          "NAME=ROLE where the role of an input is not found by itself: "
          "tokens, labels, positions (0, 1, ...), mask (everything is seen), "
          "segments (0), past (empty), flag (false), data")
      ->check(checkAssignment);
  command
      .add_option("--pad", options.pad,
                  "The id of padding: it is not seen, and labels there do not "
                  "count")
      ->check(CLI::Range(int64_t(0), int64_t(1) << 31))
      ->group("What the model's parts are");
}

static void readParameterNames(const std::string &path,
                               ImportONNXOptions &options) {
  try {
    runtime::SafetensorsReader file(path);
    for (const auto &[name, tensor] : file.tensors())
      options.parameters.push_back(name);
  } catch (const runtime::Error &error) {
    throw CLI::ValidationError("--params", error.what());
  }
}

void readImportOptions(const CLI::App &command, ImportONNXOptions &options) {
  llvm::StringMap<size_t> read;
  for (const CLI::Option *option : command.parse_order()) {
    std::string name = option->get_name();
    if (option->get_group() != "What the model's parts are" || name == "--pad")
      continue;
    const std::string &value = option->results()[read[name]++];
    if (name == "--train" || name == "--freeze")
      options.patterns.push_back({value, name == "--train"});
    else if (name == "--params")
      readParameterNames(value, options);
    else if (name == "--dim")
      options.dims.push_back(
          {splitLast(value).first, std::stoll(splitLast(value).second)});
    else if (name == "--input")
      options.inputs.push_back(splitLast(value));
  }
}

} // namespace fp8c
