//===- RunFolder.h - The folder a training lives in -------------*- C++ -*-===//
//
//   run/config.json    program, data, tokenizer and options
//   run/metrics.jsonl  one line per step
//   run/plans.txt      on GPUs: the algorithm of each library call
//   run/checkpoints/   see Checkpoint.h
//   run/lock           held by the training that writes here
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_RUNTIME_CORE_RUNFOLDER_H
#define FP8C_RUNTIME_CORE_RUNFOLDER_H

#include "core/Checkpoint.h"
#include "core/Manifest.h"
#include "core/TrainOptions.h"

namespace fp8c::runtime {

/// What config.json holds: all that is needed to continue or use a run.
struct RunConfig {
  std::string program;     ///< absolute path of the .fp8x folder
  std::string fingerprint; ///< of that program
  std::string data;        ///< absolute path of the training tokens
  uint64_t dataTokens = 0; ///< its size; another size is another data order
  std::string validation;  ///< absolute path, or empty
  Json tokenizer;          ///< as in X.tokenizer.json, or null
  TrainOptions options;
  Checks checks = Checks::On; ///< of the program; not stored
};

class RunFolder {
public:
  explicit RunFolder(std::string path);
  ~RunFolder();
  RunFolder(const RunFolder &) = delete;
  RunFolder &operator=(const RunFolder &) = delete;

  /// Whether there is a run in this folder.
  static bool exists(const std::string &path);

  const std::string &path() const { return thePath; }
  std::string metricsPath() const;
  std::string watchPath() const;
  std::string plansPath() const;
  CheckpointFolder checkpoints() const;

  /// Makes the folder and takes its lock until this object goes. Throws Error
  /// if another training holds it.
  void lock();

  /// Throws Error if there is no run here.
  RunConfig readConfig() const;
  void writeConfig(const RunConfig &config) const;

private:
  std::string configPath() const;

  std::string thePath;
  int lockDescriptor = -1;
};

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_RUNFOLDER_H
