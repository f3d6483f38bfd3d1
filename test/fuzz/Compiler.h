//===- Compiler.h - What the fuzz targets of compiler readers share -*- C++
//-*-//

#ifndef FP8C_TEST_FUZZ_COMPILER_H
#define FP8C_TEST_FUZZ_COMPILER_H

#include "Fuzz.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"

#include <optional>

namespace fp8c::fuzz {

/// A context for some inputs: it keeps every string and type that it has seen,
/// so that now and then a new one takes its place.
inline mlir::MLIRContext &context() {
  static std::optional<mlir::MLIRContext> theContext;
  static int uses = 0;
  if (uses++ % 256 == 0)
    theContext.emplace(mlir::MLIRContext::Threading::DISABLED);
  return *theContext;
}

/// Counts errors instead of printing them.
class Diagnostics {
public:
  explicit Diagnostics(mlir::MLIRContext &context)
      : handler(&context, [this](mlir::Diagnostic &diagnostic) {
          require(!diagnostic.str().empty(), "a diagnostic has a message");
          errors += diagnostic.getSeverity() == mlir::DiagnosticSeverity::Error;
          return mlir::success();
        }) {}

  /// A reader that fails says why; one that does not, has nothing to say.
  void check(bool failed) const {
    require(failed == (errors > 0), "a failure is reported, and only that");
  }

private:
  int errors = 0;
  mlir::ScopedDiagnosticHandler handler;
};

} // namespace fp8c::fuzz

#endif // FP8C_TEST_FUZZ_COMPILER_H
