//===- RunFolder.cpp - The folder a training lives in ---------------------===//

#include "core/RunFolder.h"

#include "core/FileSystem.h"
#include "core/MappedFile.h"
#include "core/OutputFile.h"
#include "core/Seal.h"

#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <unistd.h>

namespace fp8c::runtime {

static constexpr int64_t configFormat = 1;

RunFolder::RunFolder(std::string path) : thePath(std::move(path)) {
  while (thePath.size() > 1 && thePath.back() == '/')
    thePath.pop_back();
}

RunFolder::~RunFolder() {
  if (lockDescriptor >= 0)
    close(lockDescriptor); // releases the lock
}

bool RunFolder::exists(const std::string &path) {
  return runtime::exists(path + "/config.json");
}

std::string RunFolder::configPath() const { return thePath + "/config.json"; }

std::string RunFolder::metricsPath() const {
  return thePath + "/metrics.jsonl";
}

std::string RunFolder::watchPath() const { return thePath + "/fp8.jsonl"; }
std::string RunFolder::plansPath() const { return thePath + "/plans.txt"; }

CheckpointFolder RunFolder::checkpoints() const {
  return CheckpointFolder(thePath + "/checkpoints");
}

void RunFolder::lock() {
  std::error_code failure;
  std::filesystem::create_directories(thePath + "/checkpoints", failure);
  if (failure)
    throwSystemError(thePath, "cannot make the run folder", failure.value());
  std::string lockPath = thePath + "/lock";
  lockDescriptor = open(lockPath.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (lockDescriptor < 0)
    throwSystemError(lockPath, "cannot lock the run folder", errno);
  // The system releases the lock when its holder ends, however it ends.
  if (flock(lockDescriptor, LOCK_EX | LOCK_NB) != 0)
    throw Error::inFile(thePath, "another training is writing to this run",
                        "wait for it, or choose another folder with --out");
}

RunConfig RunFolder::readConfig() const {
  if (!exists(thePath))
    throw Error::inFile(thePath, "there is no run in this folder",
                        "start one with: fp8c-run train PROG.fp8x --data "
                        "X.train.bin --steps N --out " +
                            thePath);
  RunConfig config;
  Json document = readSealedJson(configPath(), configFormat, config.note);
  JsonField root(document, configPath());
  config.program = root.at("program").string();
  config.fingerprint = root.at("fingerprint").string();
  if (root.has("tokens_per_step"))
    config.tokensPerStep =
        static_cast<int64_t>(root.at("tokens_per_step").size());
  config.data = root.at("data").string();
  config.dataTokens = root.at("data_tokens").size();
  if (root.has("labels")) {
    config.labels = root.at("labels").string();
    config.labelsChecksum = root.at("labels_checksum").string();
  }
  config.validation = root.string("val", "");
  config.validationLabels = root.string("val_labels", "");
  if (root.has("tokenizer"))
    config.tokenizer = document["tokenizer"];
  config.options = TrainOptions::fromJson(root.at("options"));
  return config;
}

void RunFolder::writeConfig(const RunConfig &config) const {
  OrderedJson json = {{"format", configFormat},
                      {"program", config.program},
                      {"fingerprint", config.fingerprint},
                      {"tokens_per_step", config.tokensPerStep},
                      {"data", config.data},
                      {"data_tokens", config.dataTokens}};
  if (!config.labels.empty()) {
    json["labels"] = config.labels;
    json["labels_checksum"] = config.labelsChecksum;
  }
  if (!config.validation.empty())
    json["val"] = config.validation;
  if (!config.validationLabels.empty())
    json["val_labels"] = config.validationLabels;
  if (!config.tokenizer.is_null())
    json["tokenizer"] = config.tokenizer;
  json["options"] = config.options.toJson();
  writeFile(configPath(), seal(jsonText(json, 2)));
}

std::string RunFolder::setAsideAfter(int64_t step) const {
  std::vector<int64_t> steps = checkpoints().steps();
  if (steps.empty() || steps.back() <= step)
    return "";
  std::string aside;
  for (int i = 1; aside.empty() || runtime::exists(aside); ++i)
    aside = thePath + "/aside-" + std::to_string(i);
  std::error_code failure;
  if (!std::filesystem::create_directory(aside, failure))
    throwSystemError(aside, "cannot make a folder", failure.value());
  for (const std::string &from : {metricsPath(), watchPath()})
    if (runtime::exists(from)) {
      MappedFile source(from);
      OutputFile copy(std::filesystem::path(aside) /
                      std::filesystem::path(from).filename());
      copy.write(source.data(), source.size());
      copy.sync();
    }
  // The newest first: whenever this ends, what remains is a run.
  for (auto newer = steps.rbegin(); newer != steps.rend() && *newer > step;
       ++newer) {
    std::filesystem::path from = checkpoints().folderOf(*newer);
    std::filesystem::rename(from, aside / from.filename(), failure);
    if (failure)
      throwSystemError(from, "cannot move to " + aside, failure.value());
  }
  syncDirectory(aside);
  syncDirectory(thePath + "/checkpoints");
  syncDirectory(thePath);
  return aside;
}

} // namespace fp8c::runtime
