//===- Model.cpp - A model ready to be used -------------------------------===//

#include "core/Model.h"

#include "core/FileSystem.h"
#include "core/Initialize.h"

namespace fp8c::runtime {
namespace {

/// The run that a checkpoint folder belongs to, run/checkpoints/step-000500,
/// or nothing if it is none.
std::string runOfCheckpoint(const std::string &path) {
  if (!exists(path + "/state.json") && !exists(path + "/model.safetensors"))
    return "";
  return absolutePath(path + "/../..");
}

void addNote(std::string &notes, const std::string &note) {
  notes += (notes.empty() || note.empty() ? "" : "; ") + note;
}

} // namespace

Model Model::open(const std::string &path, Checks checks) {
  if (!exists(path))
    throw Error::inFile(path, "no such run, checkpoint or program");
  Model model;
  std::string run = RunFolder::exists(path) ? path : runOfCheckpoint(path);
  if (run.empty()) {
    model.instance = std::make_unique<Instance>(Program::open(path, checks));
    initializeVariables(*model.instance, TrainOptions().seed);
    model.instance->refresh();
    model.weights = "initial";
    return model;
  }
  RunFolder folder(run);
  model.run = folder.readConfig();
  CheckpointFolder checkpoints = folder.checkpoints();
  std::vector<int64_t> steps;
  if (run == path) {
    steps = checkpoints.steps();
    if (steps.empty())
      throw Error::inFile(path, "the run has no checkpoint yet",
                          "wait for the first one, or stop the training with "
                          "Ctrl-C, which writes one");
  }
  model.weights = run == path ? checkpoints.folderOf(steps.back()) : path;
  model.instance =
      std::make_unique<Instance>(Program::open(model.run->program, checks));
  addNote(model.note, model.run->note);
  addNote(model.note, model.instance->device().preferPlans(folder.plansPath()));
  SavedState state =
      run != path
          ? loadCheckpoint(*model.instance, path)
          : checkpoints.load(*model.instance, steps.back(), [&](int64_t step) {
              return "that of step " + std::to_string(step) +
                     " can be loaded: name it, " + checkpoints.folderOf(step);
            });
  addNote(model.note, state.note);
  return model;
}

std::unique_ptr<Tokenizer> Model::tokenizer(const std::string &name) const {
  if (!name.empty())
    return createTokenizer(name);
  if (run && !run->tokenizer.is_null())
    return createTokenizer(run->tokenizer, "config.json");
  if (instance->manifest().model.vocab == 256)
    return createByteTokenizer();
  throw Error("the model's tokenizer is not known",
              "name it with --tokenizer: bytes, or a folder with encoder.json "
              "and vocab.bpe");
}

} // namespace fp8c::runtime
