//===- Checkpoint.h - Saving a run and taking it up again -------*- C++ -*-===//
//
// A checkpoint is a folder step-000500/ with
//
//   model.safetensors   parameters, moments and scaling states
//   state.json          step, counters, options, fingerprints of program and
//                       model, size and checksum of model.safetensors, and if
//                       the program has frozen weights that of its
//                       initial.bin; sealed
//
// It is written under a name that starts with a dot, put on the disk and then
// renamed, so that whatever carries the name step-… is complete.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_RUNTIME_CORE_CHECKPOINT_H
#define FP8C_RUNTIME_CORE_CHECKPOINT_H

#include "core/Json.h"

#include <functional>
#include <string>
#include <vector>

namespace fp8c::runtime {

class Instance;

/// What a run consists of besides its variables.
struct RunState {
  int64_t step = 0;          ///< steps done
  int64_t skipped = 0;       ///< of them, not applied: gradients not finite
  int64_t skippedInARow = 0; ///< up to and including the last step
};

/// What a checkpoint's state.json says.
struct SavedState : RunState {
  Json options;     ///< the run's, when it was saved
  std::string note; ///< what the user should know besides, or ""
};

/// The checkpoints of one run.
class CheckpointFolder {
public:
  explicit CheckpointFolder(std::string path) : path(std::move(path)) {}

  /// Removes what a killed process left unfinished. Only for the owner of the
  /// run's lock.
  void clean() const;

  /// Steps of the checkpoints, oldest first. Throws Error if one has another
  /// name than its step gives it.
  std::vector<int64_t> steps() const;

  /// The folder of a step's checkpoint.
  std::string folderOf(int64_t step) const;

  /// Writes a checkpoint, then removes all but the newest `keep` (0: none).
  /// Throws Error, for example if the disk is full; then the older ones are
  /// intact and nothing of the new one is left.
  void save(const Instance &instance, const RunState &state,
            const OrderedJson &options, int64_t keep) const;

  /// Loads the checkpoint of `step`, of which there is one, as
  /// loadCheckpoint(). If it cannot be loaded, the Error's hint names the
  /// newest one before it that can: `offer` makes the text from its step.
  SavedState load(Instance &instance, int64_t step,
                  const std::function<std::string(int64_t)> &offer) const;

private:
  std::string path;
};

/// Loads a checkpoint's variables and calls `init`. Throws Error if it was made
/// of another model or is damaged; a second thread computes its checksum
/// meanwhile.
SavedState loadCheckpoint(Instance &instance, const std::string &folder);

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_CHECKPOINT_H
