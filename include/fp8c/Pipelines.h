//===- Pipelines.h - The way of a model, pass by pass -----------*- C++ -*-===//

#ifndef FP8C_PIPELINES_H
#define FP8C_PIPELINES_H

#include "mlir/IR/DialectRegistry.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/StringSwitch.h"
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
  /// cpu or cuda; empty: what the module says. See exec-set-target.
  std::string target = "cpu";
  /// The GPU of target cuda, as nvcc calls it.
  std::string gpu = "sm_90";
  /// Name of a built-in recipe or path of a file.
  std::string recipe = "fp8-delayed";
  /// Output of @forward to differentiate; empty: see train-append-loss.
  std::string loss;
  /// No loss, gradients or optimizer.
  bool forwardOnly = false;
  /// Run train-recompose.
  bool recompose = true;
  /// What backward computes anew: see train-recompute.
  std::vector<std::string> recompute;
  /// Of a step; 0: any number. See train-add-optimizer.
  int64_t microBatches = 0;
  /// See train-set-grid.
  bool reproducible = false;
  /// Processes with data of their own that run the program: see train-set-grid.
  int64_t dp = 1;
  /// See train-reduce-gradients.
  std::optional<int64_t> bucket = {};
  /// Run fp8-expose-operands.
  bool exposeOperands = false;
  // Where these are not set the target decides.

  /// See fp8-choose-layouts.
  std::optional<bool> fp8TN = {};
  /// See train-form-fusions.
  std::optional<int64_t> sumRows = {};
  /// See train-pad-vocabulary.
  std::optional<int64_t> padVocabulary = {};
  /// See exec-chunk-loss.
  std::optional<int64_t> maxLogits = {};
  /// See exec-plan-workspace; 0: no limit.
  int64_t maxScratch = 0;

  /// What to compute anew if nobody says: see the target's traits.
  std::vector<std::string> getDefaultRecompute(mlir::MLIRContext *) const;
};

/// The stage of a name, as `fp8c compile --emit` takes it.
inline std::optional<Stage> symbolizeStage(llvm::StringRef name) {
  return llvm::StringSwitch<std::optional<Stage>>(name)
      .Case("train", Stage::train)
      .Case("grad", Stage::grad)
      .Case("fp8", Stage::fp8)
      .Case("fusion", Stage::fusion)
      .Case("exec", Stage::exec)
      .Default(std::nullopt);
}

/// Appends the passes that give a module its target and lead it to `stage` from
/// an imported one, or from the stage that it is at.
void buildPipeline(mlir::OpPassManager &passes, const PipelineOptions &options,
                   Stage stage, std::optional<Stage> from = {});

/// Every dialect that appears on the way.
void registerDialects(mlir::DialectRegistry &registry);

/// Every pass of fp8c, upstream's canonicalize, cse and the like, and for each
/// stage the passes that lead to it from the one before:
/// --fp8c-fp8-pipeline="recipe=fp8-lm target=cuda". Without a target the module
/// keeps its own.
void registerPasses();

} // namespace fp8c

#endif // FP8C_PIPELINES_H
