//===- UpstreamModels.h - Products of upstream's dialects -------*- C++ -*-===//
//
// What the FP8 passes have to know of linalg, tosa, tensor and arith: which ops
// contract what, and which move what. Another compiler does the same for its
// own ops, from outside as here, or by implementing the interfaces.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_UPSTREAMMODELS_H
#define FP8C_UPSTREAMMODELS_H

namespace mlir {
class DialectRegistry;
} // namespace mlir

namespace fp8c {

/// Makes products contractions: all named ops of linalg that are, each
/// linalg.generic whose body multiplies and adds, and tosa.matmul, whose zero
/// points have to be 0. What they add their sum to is added to the FP8 product,
/// unless it is zero everywhere. Weights are known behind transposes, reshapes
/// and casts. Takes effect on dialects as they are loaded.
void registerUpstreamModels(mlir::DialectRegistry &registry);

} // namespace fp8c

#endif // FP8C_UPSTREAMMODELS_H
