//===- LinalgModels.h - Products of linalg for the FP8 lowering -*- C++ -*-===//
//
// What the FP8 passes have to know of linalg: which of its ops contract what.
// Another compiler's dialect does the same for its own ops, from outside as
// here, or by implementing FP8ContractionOpInterface.
//
//===----------------------------------------------------------------------===//

#ifndef LINALG_LINALGMODELS_H
#define LINALG_LINALGMODELS_H

namespace mlir {
class DialectRegistry;
} // namespace mlir

namespace fp8c {

/// Makes products of linalg contractions: all named ops that are, and each
/// linalg.generic whose body multiplies and adds. What they add their sum to is
/// added to the FP8 product, unless it is zero everywhere. Weights are known
/// behind transposes, reshapes and casts.
void registerLinalgModels(mlir::DialectRegistry &registry);

/// The same for `tosa.matmul`, whose zero points have to be 0.
void registerTosaModels(mlir::DialectRegistry &registry);

} // namespace fp8c

#endif // LINALG_LINALGMODELS_H
