//===- Pipelines.h - The way of a model, pass by pass -----------*- C++ -*-===//

#ifndef PIPELINES_PIPELINES_H
#define PIPELINES_PIPELINES_H

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
  /// cpu or cuda.
  std::string target = "cpu";
  /// The GPU of target cuda, as nvcc calls it.
  std::string gpu = "sm_90";
  /// Name of a built-in recipe or path of a file.
  std::string recipe = "fp8-delayed";
  /// Output of @forward to differentiate; empty: see train-append-loss.
  std::string loss;
  /// No loss, gradients or optimizer.
  bool forwardOnly = false;
  /// What backward computes anew: see train-recompute.
  std::vector<std::string> recompute;
  /// Gradients are not summed over micro-batches.
  bool oneMicroBatch = false;
  /// Run fp8-expose-operands.
  bool exposeOperands = false;
  /// Run fp8-choose-layouts; by default where the target needs it.
  std::optional<bool> fp8TN = {};
  /// See train-form-fusions; by default 32 on cuda, 0 on cpu.
  std::optional<int64_t> sumRows = {};
  /// See train-pad-vocabulary; by default 128 on cuda, 1 on cpu.
  std::optional<int64_t> padVocabulary = {};
  /// See exec-chunk-loss; by default 1 GiB on cuda, no limit on cpu.
  std::optional<int64_t> maxLogits = {};
  /// See exec-plan-workspace; 0: no limit.
  int64_t maxScratch = 0;

  /// What to compute anew if nobody says. On GPUs norms and activations cost
  /// next to nothing: kernels that wait for memory compute them by the way.
  std::vector<std::string> getDefaultRecompute() const {
    if (target == "cuda")
      return {"norm", "gelu"};
    return {};
  }
  bool needsTN() const { return fp8TN.value_or(target == "cuda"); }
  int64_t getSumRows() const {
    return sumRows.value_or(target == "cuda" ? 32 : 0);
  }
  /// 50257 becomes 50304: FP8 products need multiples of 16, and 128 is what
  /// tiles of tensor cores are wide. The CPU widens to f32 anyway.
  int64_t getPadVocabulary() const {
    return padVocabulary.value_or(target == "cuda" ? 128 : 1);
  }
  int64_t getMaxLogits() const {
    return maxLogits.value_or(target == "cuda" ? int64_t(1) << 30 : 0);
  }
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

/// Appends the passes that lead to `stage` from an imported module, or from the
/// stage that it is at.
void buildPipeline(mlir::OpPassManager &passes, const PipelineOptions &options,
                   Stage stage, std::optional<Stage> from = {});

/// Every dialect that appears on the way.
void registerDialects(mlir::DialectRegistry &registry);

/// Every pass of fp8c, upstream's canonicalize, cse and the like, and for each
/// stage the passes that lead to it from the one before:
/// --fp8c-grad-pipeline="recipe=fp8-lm target=cuda".
void registerPasses();

} // namespace fp8c

#endif // PIPELINES_PIPELINES_H
