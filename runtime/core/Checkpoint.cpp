//===- Checkpoint.cpp - Saving a run and taking it up again ---------------===//

#include "core/Checkpoint.h"

#include "core/FileSystem.h"
#include "core/Initialize.h"
#include "core/Instance.h"
#include "core/OutputFile.h"
#include "core/Safetensors.h"
#include "core/Text.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>

namespace fp8c::runtime {
namespace {

namespace fs = std::filesystem;

constexpr const char *prefix = "step-";
constexpr const char *tensorFile = "model.safetensors";
constexpr const char *stateFile = "state.json";

std::string folderName(int64_t step) {
  char name[32];
  std::snprintf(name, sizeof(name), "%s%06lld", prefix,
                static_cast<long long>(step));
  return name;
}

/// The step in a folder's name, or -1 if it is not a checkpoint's.
int64_t stepOf(const std::string &name) {
  std::string digits =
      name.rfind(prefix, 0) == 0 ? name.substr(std::string(prefix).size()) : "";
  if (digits.empty() || digits.size() > 18 ||
      digits.find_first_not_of("0123456789") != std::string::npos)
    return -1;
  return std::stoll(digits);
}

/// A folder under construction; removed again unless it is published.
class UnfinishedFolder {
public:
  explicit UnfinishedFolder(fs::path path) : path(std::move(path)) {
    std::error_code failure;
    fs::remove_all(this->path, failure);
    if (!fs::create_directories(this->path, failure))
      throwSystemError(this->path, "cannot write checkpoint", failure.value());
  }
  ~UnfinishedFolder() {
    std::error_code ignored;
    if (!published)
      fs::remove_all(path, ignored);
  }
  void publish(const fs::path &as) {
    syncDirectory(path);
    if (std::rename(path.c_str(), as.c_str()) != 0)
      throwSystemError(as, "cannot write checkpoint", errno);
    published = true;
    syncDirectory(as.parent_path());
  }
  const fs::path path;

private:
  bool published = false;
};

void writeTensors(const Instance &instance, const fs::path &path) {
  std::vector<SafetensorsEntry> entries;
  for (const Variable &variable : instance.manifest().variables)
    if (isCheckpointed(variable.role))
      entries.push_back({variable, [&](unsigned char *destination) {
                           instance.read(variable, destination);
                         }});
  OutputFile file(path);
  writeSafetensors(file, std::move(entries),
                   {{"fingerprint", instance.manifest().fingerprint}});
  file.sync();
}

void writeState(const Instance &instance, const RunState &state,
                const OrderedJson &options, const fs::path &path) {
  OrderedJson json = {
      {"format", 1},
      {"step", state.step},
      {"fingerprint", instance.manifest().fingerprint},
      {"counters",
       {{"skipped", state.skipped}, {"skipped_in_a_row", state.skippedInARow}}},
      {"options", options}};
  OutputFile file(path);
  file.write(jsonText(json, 2) + "\n");
  file.sync();
}

} // namespace

void CheckpointFolder::clean() const {
  std::error_code ignored;
  for (const std::string &name : namesIn(path))
    if (name[0] == '.')
      fs::remove_all(fs::path(path) / name, ignored);
}

std::vector<int64_t> CheckpointFolder::steps() const {
  std::vector<int64_t> found;
  for (const std::string &name : namesIn(path)) {
    int64_t step = stepOf(name);
    fs::path folder = fs::path(path) / name;
    if (step >= 0 && exists(folder / tensorFile) && exists(folder / stateFile))
      found.push_back(step);
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::string CheckpointFolder::folderOf(int64_t step) const {
  return fs::path(path) / folderName(step);
}

void CheckpointFolder::save(const Instance &instance, const RunState &state,
                            const OrderedJson &options, int64_t keep) const {
  fs::path target = folderOf(state.step);
  UnfinishedFolder unfinished(fs::path(path) / ("." + folderName(state.step)));
  writeTensors(instance, unfinished.path / tensorFile);
  writeState(instance, state, options, unfinished.path / stateFile);
  unfinished.publish(target);

  std::vector<int64_t> all = steps();
  for (size_t i = 0; keep > 0 && i + static_cast<size_t>(keep) < all.size();
       ++i) {
    // Renamed first: a removal that is interrupted leaves no half checkpoint.
    fs::path doomed = fs::path(path) / (".old-" + folderName(all[i]));
    std::error_code ignored;
    fs::rename(folderOf(all[i]), doomed, ignored);
    fs::remove_all(doomed, ignored);
  }
}

RunState loadCheckpoint(Instance &instance, const std::string &folder) {
  std::string statePath = fs::path(folder) / stateFile;
  Json document = readJson(statePath);
  JsonField root(document, statePath);
  std::string fingerprint = root.at("fingerprint").string();
  if (fingerprint != instance.manifest().fingerprint)
    throw Error::inFile(
        folder,
        concat("the checkpoint belongs to another program: its fingerprint is ",
               fingerprint, ", that of ", instance.program().folder(), " is ",
               instance.manifest().fingerprint),
        "a program compiled from another model or with another recipe has "
        "other variables; use the one the run was started with");

  SafetensorsReader tensors(fs::path(folder) / tensorFile);
  for (const Variable &variable : instance.manifest().variables) {
    if (!isCheckpointed(variable.role))
      continue;
    const unsigned char *data = tensors.find(variable);
    if (!data)
      throw Error::inFile(tensors.path(),
                          "lacks variable \"" + variable.name + "\"");
    instance.write(variable, data);
  }
  // Their initial values are constants: the seed does not matter.
  initializeVariables(instance, 0, Which::NotInCheckpoints);
  instance.refresh();

  RunState state;
  state.step = root.at("step").integer();
  JsonField counters = root.at("counters");
  state.skipped = counters.at("skipped").integer();
  state.skippedInARow = counters.at("skipped_in_a_row").integer();
  return state;
}

} // namespace fp8c::runtime
