//===- ProgramFolder.h - Build a program folder -----------------*- C++ -*-===//

#ifndef TARGET_COMMON_PROGRAMFOLDER_H
#define TARGET_COMMON_PROGRAMFOLDER_H

#include "Target/Common/OutputFolder.h"
#include "Target/Source/SourcePrinter.h"
#include <optional>
#include <string>

namespace fp8c::target {

/// What a target adds to a program folder.
struct ProgramBuilder {
  llvm::StringRef sourceName; ///< of the emitted source in the folder
  /// Builds `library` from `source`; both are names in the folder.
  llvm::function_ref<mlir::LogicalResult(llvm::StringRef source,
                                         llvm::StringRef library)>
      compile;
};

/// Writes the program into `folder` and puts that in its place: manifest.json,
/// the source, program.so, program.mlir and, where the model came with weights,
/// initial.bin. The manifest has sizes and checksums of the others and its own.
/// Errors are emitted at the module.
mlir::LogicalResult buildProgram(mlir::ModuleOp module, OutputFolder &folder,
                                 const ProgramBuilder &builder);

/// The absolute path of a program that can be run, by its name or path; none if
/// there is no such.
std::optional<std::string>
findCompiler(llvm::StringRef name,
             llvm::ArrayRef<llvm::StringRef> folders = {});

/// Runs a compiler in the folder; if it fails, the error shows what it said.
mlir::LogicalResult runCompiler(mlir::ModuleOp module, OutputFolder &folder,
                                llvm::ArrayRef<llvm::StringRef> arguments);

} // namespace fp8c::target

#endif // TARGET_COMMON_PROGRAMFOLDER_H
