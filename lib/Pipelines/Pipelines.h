//===- Pipelines.h - The way of a model, pass by pass -----------*- C++ -*-===//

#ifndef PIPELINES_PIPELINES_H
#define PIPELINES_PIPELINES_H

#include "mlir/IR/DialectRegistry.h"
#include "mlir/Pass/PassManager.h"
#include <optional>
#include <string>

namespace fp8c {

/// What the IR is after the passes up to here.
enum class Stage {
  train,  ///< the forward graph, as imported
  grad,   ///< with backward pass and optimizer
  fp8,    ///< with formats chosen and FP8 scaling explicit
  fusion, ///< with fusions formed
  exec    ///< library calls and kernels on planned buffers
};

struct PipelineOptions {
  std::string target = "cpu"; ///< cpu or cuda
  std::string recipe =
      "fp8-delayed";        ///< name of a built-in recipe or path of a file
  std::string loss;         ///< output of @forward to differentiate; empty: see
                            ///< train-append-loss
  bool forwardOnly = false; ///< no loss, gradients or optimizer
  std::vector<std::string>
      recompute; ///< what backward computes anew: see train-recompute
  bool oneMicroBatch = false; ///< gradients are not summed over micro-batches
  std::optional<bool> fp8TN =
      {}; ///< run fp8-choose-layouts; by default where the target needs it

  std::optional<int64_t> sumRows =
      {}; ///< see train-form-fusions; by default 32 on cuda, 0 on cpu
  std::optional<int64_t> maxLogits =
      {}; ///< see exec-chunk-loss; by default 1 GiB on cuda, no limit on cpu

  bool needsTN() const { return fp8TN.value_or(target == "cuda"); }
  int64_t getSumRows() const {
    return sumRows.value_or(target == "cuda" ? 32 : 0);
  }
  int64_t getMaxLogits() const {
    return maxLogits.value_or(target == "cuda" ? int64_t(1) << 30 : 0);
  }
};

/// Appends the passes that lead from an imported module to `stage`.
void buildPipeline(mlir::OpPassManager &passes, const PipelineOptions &options,
                   Stage stage);

/// Every dialect that appears on the way.
void registerDialects(mlir::DialectRegistry &registry);

/// Every pass of fp8c, and upstream's canonicalize, cse and the like.
void registerPasses();

} // namespace fp8c

#endif // PIPELINES_PIPELINES_H
