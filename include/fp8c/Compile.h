//===- Compile.h - From a module to a program folder ------------*- C++ -*-===//
//
//   mlir::OwningOpRef<mlir::ModuleOp> module = ...; // in the train dialect
//   fp8c::CompileOptions options;
//   options.output = "model.fp8x";
//   if (failed(fp8c::compile(*module, options)))
//     ...
//
// Errors, warnings and remarks are diagnostics of the module's context; some
// name options of `fp8c compile`, which are members here. Nothing is thrown.
// One call at a time in a process: a folder in the making is removed when a
// signal ends the process (SIGINT, SIGTERM, SIGHUP), which takes handlers of
// them for as long as it lasts.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_COMPILE_H
#define FP8C_COMPILE_H

#include "fp8c/Pipelines.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include <functional>

#ifndef FP8C_RUNTIME_HEADERS // which fp8c's CMake targets define
#define FP8C_RUNTIME_HEADERS ""
#endif

namespace fp8c {
namespace target {
class OutputFolder;
} // namespace target

struct CompileOptions {
  /// What passes are told. `recompute` counts if `chooseRecompute` is false.
  PipelineOptions pipeline;
  /// The stage that the module is at; none: as imported.
  std::optional<Stage> from = {};
  /// Recompute what the target does by default, or with a memory limit as
  /// little as fits.
  bool chooseRecompute = true;
  /// Bytes that variables, temporaries and the workspace of library calls may
  /// take together; 0: no limit. Only for modules without a backward pass.
  int64_t memoryLimit = 0;
  /// The same model with another batch, and the batch that the module has: so
  /// that a limit that cannot be kept is told with a batch that would fit.
  /// Both may be left out.
  std::function<mlir::OwningOpRef<mlir::ModuleOp>(int64_t batch)> withBatch;
  int64_t batch = 0;
  /// Fail if a product that the recipe wants in FP8 cannot be.
  bool requireFP8 = false;

  /// The program folder to write. An older program in its place is replaced,
  /// anything else is not. Read by compile() alone.
  std::string output;
  /// Folder of the runtime's headers, which programs are compiled against.
  std::string runtimeHeaders = FP8C_RUNTIME_HEADERS;
  /// C++20 compiler of programs for CPUs, and its optimisation level (0 to 3).
  std::string hostCompiler = "c++", hostOptimization = "3";
  /// nvcc 12.8 or newer, for CUDA. No GPU is needed.
  std::string cudaCompiler = "nvcc";
};

/// Tells of options that do not go together: compile() begins with it.
mlir::LogicalResult checkOptions(const CompileOptions &options,
                                 mlir::MLIRContext &context);

/// Leads the module to `stage`, as `fp8c compile --emit` does. On failure it is
/// somewhere on the way.
mlir::LogicalResult lower(mlir::ModuleOp module, CompileOptions options,
                          Stage stage = Stage::exec);

/// Builds the program of a module that is at Stage::exec, and puts the folder
/// in its place; on failure nothing is there that was not before.
mlir::LogicalResult buildProgram(mlir::ModuleOp module,
                                 const CompileOptions &options,
                                 target::OutputFolder &folder);

/// Both: what `fp8c compile` does with a model that it has imported. The module
/// is then at Stage::exec; on failure it is somewhere on the way, and
/// `options.output` what it was before.
mlir::LogicalResult compile(mlir::ModuleOp module,
                            const CompileOptions &options);

} // namespace fp8c

#endif // FP8C_COMPILE_H
