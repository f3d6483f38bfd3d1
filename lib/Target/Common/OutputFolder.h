//===- OutputFolder.h - A program folder in the making ----------*- C++ -*-===//

#ifndef TARGET_COMMON_OUTPUTFOLDER_H
#define TARGET_COMMON_OUTPUTFOLDER_H

#include "Target/Common/OnInterrupt.h"
#include "mlir/IR/Diagnostics.h"
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace fp8c::target {

/// A folder beside its final place. It takes that place whole, by commit(), or
/// goes again: also when a signal ends the process, and with it whatever run()
/// has started. What a killed process left there is removed by the next one.
class OutputFolder {
public:
  using EmitError = llvm::function_ref<mlir::InFlightDiagnostic()>;

  /// Makes the folder for a program at `path`. Emits an error and returns null
  /// if no program may be put there, see findInTheWay.
  static std::unique_ptr<OutputFolder> make(llvm::StringRef path,
                                            EmitError emitError);
  ~OutputFolder();

  /// The place, without slashes at its end.
  const std::string &place() const { return path; }

  std::string file(llvm::StringRef name) const {
    return staging + "/" + name.str();
  }

  /// Runs a program, named by its absolute path, in the folder, which its
  /// temporary files go to as well, and its output to the file `log`. Returns
  /// its exit status, or -1 and `error`.
  int run(llvm::ArrayRef<llvm::StringRef> arguments, llvm::StringRef log,
          std::string &error);

  /// Puts the folder in its place; a program that was there is removed.
  mlir::LogicalResult commit(EmitError emitError);

private:
  explicit OutputFolder(llvm::StringRef path);
  std::error_code create();
  std::error_code makeStaging();
  std::error_code exchange(bool &replaced);
  void discard();

  std::string path, staging;
  std::vector<std::string> madeParents; // innermost first
  int lock = -1;                        // held while `staging` is ours
  std::mutex mutex;                     // for good once a signal came
  pid_t child = 0;                      // whose group is to be ended
  std::optional<OnInterrupt> onInterrupt;
};

} // namespace fp8c::target

#endif // TARGET_COMMON_OUTPUTFOLDER_H
