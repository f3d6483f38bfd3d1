//===- Evaluate.h - The mean loss over a token file -------------*- C++ -*-===//

#ifndef FP8C_RUNTIME_CORE_EVALUATE_H
#define FP8C_RUNTIME_CORE_EVALUATE_H

#include "comm/Processes.h"
#include "core/Batches.h"
#include "core/Instance.h"

namespace fp8c::runtime {

/// What a function takes from a token file and one of labels. Throws Error if
/// it takes anything else or no tokens, saying how gradients come without.
BatchShape batchShapeOf(Function &function, const Manifest &manifest);

/// Reads both files and throws Error for tokens or labels that the program does
/// not have, or if it needs labels and there is no file of them. Returns how
/// many labels there are that are not negative; without a file 0.
uint64_t checkData(const TokenFile &file, const LabelFile *labels,
                   const BatchShape &shape);

/// The loss of a model over a file, with the program's `eval`.
class Evaluator {
public:
  struct Result {
    double loss = 0;      ///< mean over all labels that count, nats per token
    uint64_t targets = 0; ///< how many that were
  };

  /// Checks the data as checkData(). All must outlive this object.
  Evaluator(Instance &instance, const TokenFile &file,
            const LabelFile *labels = nullptr);

  /// Runs over `batches` batches spread evenly over the file, the same at
  /// every call; 0, or more than there are, means the whole file. Processes
  /// that are given share them, and get the same result, to the last bit that
  /// of one. Throws Error if no label counts in any of them.
  Result run(int64_t batches, Processes *processes = nullptr);

private:
  const TokenFile &file;
  Function eval;
  SequentialBatches source;
};

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_EVALUATE_H
