//===- Program.h - A compiled program loaded from its folder ----*- C++ -*-===//

#ifndef FP8C_RUNTIME_CORE_PROGRAM_H
#define FP8C_RUNTIME_CORE_PROGRAM_H

#include "core/Manifest.h"
#include "core/ProgramABI.h"
#include "core/Verification.h"

#include <memory>
#include <optional>
#include <string>

namespace fp8c::runtime {

/// The manifest and, once asked for, the code of `NAME.fp8x/`. The memory that
/// it works on belongs to an Instance.
class Program {
public:
  /// Reads and checks the manifest. Loads no code: a program can be looked at
  /// on a machine that could not run it. What the user should know, that there
  /// are no checksums above all, goes to stderr. Throws Error.
  static Program open(const std::string &folder, Checks checks = Checks::On);

  const Manifest &manifest() const { return theManifest; }

  /// The absolute path of the folder.
  const std::string &folder() const { return theFolder; }

  bool has(const std::string &function) const {
    return theManifest.functions.count(function) != 0;
  }

  /// The inputs and outputs of a function. Throws Error listing the functions
  /// that the program does have.
  const FunctionSpec &signature(const std::string &function) const;

  /// Loads program.so. Throws Error if it has changed since it was compiled,
  /// was built for another manifest or ABI, or lacks a function.
  void loadCode();

  /// The data that initial values are ranges of, and what compares it with its
  /// checksum meanwhile; nothing where there is nothing to compare.
  struct InitialData {
    MappedFile file;
    std::optional<Verification> verification;
  };
  std::unique_ptr<InitialData> openInitialData() const;

  /// The code of a function; loadCode() came before.
  Fp8cFunction code(const std::string &function) const;

private:
  /// Starts comparing a file with its checksum, if there is one.
  void verify(const MappedFile &file, const std::string &name,
              std::optional<Verification> &verification) const;
  void checkContract(void *library, const std::string &path) const;

  Checks checks = Checks::On;
  std::string theFolder;
  Manifest theManifest;
  std::map<std::string, Fp8cFunction> entryPoints;
};

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_PROGRAM_H
