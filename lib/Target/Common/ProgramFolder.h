//===- ProgramFolder.h - Build a program folder -----------------*- C++ -*-===//

#ifndef TARGET_COMMON_PROGRAMFOLDER_H
#define TARGET_COMMON_PROGRAMFOLDER_H

#include "Target/Common/SourcePrinter.h"
#include <optional>
#include <string>

namespace fp8c::target {

/// What a target adds to a program folder.
struct ProgramBuilder {
  Target target;
  llvm::StringRef gpu;        ///< architecture, as "sm_90"; empty on the CPU
  llvm::StringRef sourceName; ///< of the emitted source in the folder
  /// Builds `library` from `source`; what the compiler says goes to `log`.
  llvm::function_ref<mlir::LogicalResult(
      llvm::StringRef source, llvm::StringRef library, const std::string &log)>
      compile;
};

/// Writes the program folder `path`: manifest.json, the source, program.so,
/// program.mlir and, where the model came with weights, initial.bin. The folder
/// appears whole or not at all; an older one is replaced. Errors are emitted at
/// the module.
mlir::LogicalResult buildProgram(mlir::ModuleOp module, llvm::StringRef path,
                                 const ProgramBuilder &builder);

/// The path of a program that can be run, by its name or path; none if there is
/// no such.
std::optional<std::string>
findCompiler(llvm::StringRef name,
             llvm::ArrayRef<llvm::StringRef> folders = {});

/// Runs a compiler; if it fails, the error shows what it wrote to `log`.
mlir::LogicalResult runCompiler(mlir::ModuleOp module,
                                llvm::ArrayRef<llvm::StringRef> arguments,
                                const std::string &log);

} // namespace fp8c::target

#endif // TARGET_COMMON_PROGRAMFOLDER_H
