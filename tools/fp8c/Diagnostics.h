//===- Diagnostics.h - MLIR diagnostics as a tool prints them ---*- C++ -*-===//

#ifndef FP8C_TOOLS_FP8C_DIAGNOSTICS_H
#define FP8C_TOOLS_FP8C_DIAGNOSTICS_H

#include "mlir/IR/Diagnostics.h"

namespace fp8c {

/// Prints diagnostics of the context as `fp8c: error: …` while it lives. A
/// place in a file, and the name of the op, come first where there are any.
class DiagnosticPrinter {
public:
  explicit DiagnosticPrinter(mlir::MLIRContext &context, bool remarks);

private:
  mlir::ScopedDiagnosticHandler handler;
};

} // namespace fp8c

#endif // FP8C_TOOLS_FP8C_DIAGNOSTICS_H
