//===- RunFolder.h - The folder a training lives in -------------*- C++ -*-===//
//
//   run/config.json    program, data, tokenizer and options; sealed
//   run/metrics.jsonl  one line per step
//   run/fp8.jsonl      FP8 statistics, one line every so many steps
//   run/plans.txt      on GPUs: the algorithm of each library call
//   run/checkpoints/   see Checkpoint.h
//   run/lock           held by the training that writes here
//   run/aside-1/       what a resume at an older checkpoint left behind
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
  std::string program;        ///< absolute path of the .fp8x folder
  std::string fingerprint;    ///< of that program
  int64_t tokensPerStep = 0;  ///< 0: not stored, as by older versions
  std::string data;           ///< absolute path of the training tokens
  uint64_t dataTokens = 0;    ///< its size; another size is another data order
  std::string labels;         ///< absolute path of their labels, or empty
  std::string labelsChecksum; ///< of that file
  std::string validation;     ///< absolute path, or empty
  std::string validationLabels; ///< absolute path, or empty
  Json tokenizer;               ///< as in X.tokenizer.json, or null
  TrainOptions options;
  Checks checks = Checks::On; ///< of the program; not stored
  std::string note;           ///< what the user should know of the file, or ""
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

  /// Moves checkpoints newer than `step`, and copies metrics.jsonl and
  /// fp8.jsonl, into a new folder aside-N/, whose path it returns; "" if there
  /// are no newer checkpoints. Only for the owner of the run's lock.
  std::string setAsideAfter(int64_t step) const;

private:
  std::string configPath() const;

  std::string thePath;
  int lockDescriptor = -1;
};

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_RUNFOLDER_H
