//===- Evaluate.h - The mean loss over a token file -------------*- C++ -*-===//

#ifndef FP8C_RUNTIME_CORE_EVALUATE_H
#define FP8C_RUNTIME_CORE_EVALUATE_H

#include "core/Batches.h"
#include "core/Instance.h"

namespace fp8c::runtime {

/// Rows, tokens and vocabulary of a function that takes "tokens" and "targets".
/// Throws Error if it is not one of a language model.
BatchShape batchShapeOf(Function &function, const Manifest &manifest);

/// The loss of a model over a file, with the program's `eval`.
class Evaluator {
public:
  struct Result {
    double loss = 0;      ///< mean over all targets, nats per token
    uint64_t targets = 0; ///< how many that were
  };

  /// Checks the file against the vocabulary. Both must outlive this object.
  Evaluator(Instance &instance, const TokenFile &file);

  /// Runs over `batches` batches spread evenly over the file, the same at
  /// every call; 0, or more than there are, means the whole file.
  Result run(int64_t batches);

private:
  Function eval;
  SequentialBatches source;
};

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_EVALUATE_H
