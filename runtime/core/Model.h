//===- Model.h - A model ready to be used -----------------------*- C++ -*-===//

#ifndef FP8C_RUNTIME_CORE_MODEL_H
#define FP8C_RUNTIME_CORE_MODEL_H

#include "core/Instance.h"
#include "core/RunFolder.h"
#include "core/Tokenizer.h"

#include <memory>
#include <optional>
#include <string>

namespace fp8c::runtime {

/// A program with weights: those of a run, of one checkpoint, or initial ones.
struct Model {
  std::unique_ptr<Instance> instance;
  std::optional<RunConfig> run; ///< nothing if `path` was a program
  std::string weights;          ///< where they come from, for people
  std::string note;             ///< what the user should know besides, or ""

  /// `path` is a run folder (its newest checkpoint), a checkpoint folder, or a
  /// program (initial weights). Throws Error if it is none of them.
  static Model open(const std::string &path, Checks checks = Checks::On);

  /// The tokenizer a user names; if `name` is empty the one of the run, or
  /// bytes for a vocabulary of 256. Throws Error if it is not known.
  std::unique_ptr<Tokenizer> tokenizer(const std::string &name) const;
};

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_MODEL_H
