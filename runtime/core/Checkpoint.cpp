//===- Checkpoint.cpp - Saving a run and taking it up again ---------------===//

#include "core/Checkpoint.h"

#include "core/FileSystem.h"
#include "core/Initialize.h"
#include "core/Instance.h"
#include "core/OutputFile.h"
#include "core/Parts.h"
#include "core/Safetensors.h"
#include "core/Seal.h"
#include "core/Text.h"
#include "core/Verification.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>

namespace fp8c::runtime {
namespace {

namespace fs = std::filesystem;

constexpr const char *prefix = "step-";
constexpr const char *tensorFile = "model.safetensors";
constexpr const char *stateFile = "state.json";
constexpr int64_t stateFormat = 1;

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

FileSum writeTensors(const Instance &instance, const fs::path &path) {
  std::vector<SafetensorsEntry> entries;
  for (const Variable &variable : instance.manifest().variables)
    if (isCheckpointed(variable.role))
      for (SafetensorsEntry &entry : entriesOf(instance, variable))
        entries.push_back(std::move(entry));
  OutputFile file(path);
  FileSum sum =
      writeSafetensors(file, std::move(entries),
                       {{"fingerprint", instance.manifest().fingerprint}});
  file.sync();
  return sum;
}

/// The checksum of what frozen parameters start with, and stay: checkpoints do
/// not hold it. Empty if there is none, or the program has no checksums.
std::string frozenDataOf(const Manifest &manifest) {
  auto initial = manifest.files.find("initial.bin");
  auto isFromFile = [](const Variable &variable) {
    return variable.init.kind == Initializer::Kind::File;
  };
  const bool isRead =
      std::any_of(manifest.variables.begin(), manifest.variables.end(),
                  [&](const Variable &variable) {
                    return variable.role == Role::Frozen &&
                           (isFromFile(variable) ||
                            std::any_of(variable.parts.begin(),
                                        variable.parts.end(), isFromFile));
                  });
  return isRead && initial != manifest.files.end() ? initial->second.checksum
                                                   : "";
}

void writeState(const Instance &instance, const RunState &state,
                const OrderedJson &options, const FileSum &tensors,
                const fs::path &path) {
  OrderedJson json = {
      {"format", stateFormat},
      {"step", state.step},
      {"fingerprint", instance.manifest().fingerprint},
      {"model", instance.manifest().modelFingerprint()},
      {"counters",
       {{"skipped", state.skipped}, {"skipped_in_a_row", state.skippedInARow}}},
      {"tensors", {{"bytes", tensors.bytes}, {"checksum", tensors.checksum}}},
      {"options", options}};
  if (std::string initial = frozenDataOf(instance.manifest()); !initial.empty())
    json["initial"] = initial;
  OutputFile file(path);
  file.write(seal(jsonText(json, 2)));
  file.sync();
}

/// A count that cannot be larger than `most`.
int64_t countIn(const JsonField &field, uint64_t most) {
  if (field.size() > most)
    throw field.error(
        concat("is ", field.size(), ", and cannot be more than ", most));
  return static_cast<int64_t>(field.size());
}

SavedState readState(const Json &document, const std::string &statePath) {
  JsonField root(document, statePath);
  SavedState state;
  state.step = countIn(root.at("step"), INT64_MAX);
  JsonField counters = root.at("counters");
  state.skipped =
      countIn(counters.at("skipped"), static_cast<uint64_t>(state.step));
  state.skippedInARow = countIn(counters.at("skipped_in_a_row"),
                                static_cast<uint64_t>(state.skipped));
  root.at("options").members(); // for its error
  state.options = document["options"];

  // The folder may have been given as "step-000500/".
  fs::path folder = fs::path(absolutePath(statePath)).parent_path();
  int64_t named = stepOf(folder.filename());
  if (named >= 0 && named != state.step)
    throw root.at("step").error(
        concat("is ", state.step, ", but the folder is that of step ", named),
        "give the folder the name " + folderName(state.step));
  return state;
}

/// Writes the tensors into the variables, in the order of the file.
void copyTensors(Instance &instance, const SafetensorsReader &tensors) {
  std::map<const unsigned char *, std::vector<const Variable *>> byPlace;
  size_t count = 0;
  for (const Variable &variable : instance.manifest().variables) {
    if (!isCheckpointed(variable.role))
      continue;
    for (const Variable &part : variable.stored()) {
      const unsigned char *data = tensors.find(part);
      if (!data)
        throw Error::inFile(tensors.path(),
                            "lacks variable \"" + part.name + "\"");
      if (&part == variable.stored().begin())
        byPlace[data].push_back(&variable);
      ++count;
    }
  }
  if (count != tensors.tensors().size())
    throw Error::inFile(tensors.path(),
                        concat("has ", tensors.tensors().size(),
                               " tensors, the program has ", count));
  GivenVariables given(tensors);
  for (const auto &[data, variables] : byPlace)
    for (const Variable *variable : variables) { // empty ones share a place
      instance.write(*variable, given.find(*variable));
      given.release(*variable);
    }
}

/// Older checkpoints know their program alone.
void checkModel(const Instance &instance, const JsonField &state,
                const std::string &path) {
  const bool hasModel = state.has("model");
  const std::string saved =
                        state.at(hasModel ? "model" : "fingerprint").string(),
                    now = hasModel ? instance.manifest().modelFingerprint()
                                   : instance.manifest().fingerprint;
  if (saved != now)
    throw Error::inFile(
        path,
        concat("the checkpoint belongs to another ",
               hasModel ? "model" : "program", ": its fingerprint is ", saved,
               ", that of ", instance.program().folder(), " is ", now),
        "a program compiled from another model or with another recipe has "
        "other variables; use the one the run was started with");
}

void checkFrozenData(const Instance &instance, const JsonField &state) {
  const std::string now = frozenDataOf(instance.manifest());
  if (state.has("initial") && !now.empty() &&
      state.at("initial").string() != now)
    throw state.at("initial").error(
        concat("is not the checksum of initial.bin of ",
               instance.program().folder(),
               ": the program's frozen parameters are others"),
        "use the program the run was started with");
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
    // One of both is a damaged checkpoint, none of them not ours.
    if (step < 0 ||
        (!exists(folder / tensorFile) && !exists(folder / stateFile)))
      continue;
    if (name != folderName(step))
      throw Error::inFile(folder, "a checkpoint's folder with a wrong name",
                          "rename it to " + folderName(step) +
                              ", or move it out of the run");
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
  FileSum sum = writeTensors(instance, unfinished.path / tensorFile);
  writeState(instance, state, options, sum, unfinished.path / stateFile);
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

SavedState
CheckpointFolder::load(Instance &instance, int64_t step,
                       const std::function<std::string(int64_t)> &offer) const {
  try {
    return loadCheckpoint(instance, folderOf(step));
  } catch (const Error &error) {
    std::vector<int64_t> all = steps();
    for (auto older = all.rbegin(); older != all.rend(); ++older) {
      if (*older >= step)
        continue;
      try {
        loadCheckpoint(instance, folderOf(*older));
      } catch (const Error &) {
        continue; // no better
      }
      std::string hint = error.hint().empty() ? "" : error.hint() + "; or ";
      throw Error(error.what(), hint + offer(*older));
    }
    throw;
  }
}

SavedState loadCheckpoint(Instance &instance, const std::string &folder) {
  std::string statePath = fs::path(folder) / stateFile;
  std::string note;
  Json document = readSealedJson(statePath, stateFormat, note);
  JsonField root(document, statePath);
  checkModel(instance, root, folder);
  checkFrozenData(instance, root);
  SavedState state = readState(document, statePath);

  SafetensorsReader tensors(fs::path(folder) / tensorFile);
  std::optional<Verification> verification;
  if (root.has("tensors"))
    verification.emplace(tensors.bytes(), root.at("tensors").at("bytes").size(),
                         root.at("tensors").at("checksum").string(),
                         /*hint=*/"");
  else if (note.empty())
    note = tensors.path() + " has no checksum: damage would not be noticed";
  auto fingerprint = tensors.metadata().find("fingerprint");
  if (fingerprint == tensors.metadata().end())
    throw Error::inFile(tensors.path(), "has no fingerprint in __metadata__: "
                                        "not the file of a checkpoint");
  if (fingerprint->second != root.at("fingerprint").string())
    throw Error::inFile(tensors.path(),
                        concat("belongs to another program than state.json: "
                               "its fingerprint is ",
                               fingerprint->second, ", not ",
                               root.at("fingerprint").string()));
  copyTensors(instance, tensors);
  if (verification)
    verification->finish();
  // Frozen parameters may have been drawn with the run's seed.
  const JsonField options = root.at("options");
  initializeVariables(instance,
                      options.has("seed") ? options.at("seed").size() : 0,
                      Which::NotInCheckpoints);
  instance.refresh();
  state.note = note;
  return state;
}

} // namespace fp8c::runtime
