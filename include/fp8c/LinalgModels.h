//===- LinalgModels.h - Products of linalg for the FP8 lowering -*- C++ -*-===//
//
// What the FP8 passes have to know of linalg: which of its ops contract what.
// Another compiler's dialect does the same for its own ops, from outside as
// here, or by implementing FP8ContractionOpInterface.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_LINALGMODELS_H
#define FP8C_LINALGMODELS_H

namespace mlir {
class DialectRegistry;
} // namespace mlir

namespace fp8c {

/// Makes `linalg.matmul` and `linalg.batch_matmul` contractions, whatever the
/// order of their dimensions. What they add their sum to is added to the FP8
/// product, unless it is zero everywhere.
void registerLinalgModels(mlir::DialectRegistry &registry);

} // namespace fp8c

#endif // FP8C_LINALGMODELS_H
