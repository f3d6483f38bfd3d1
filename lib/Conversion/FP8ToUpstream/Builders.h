//===- Builders.h - Formulas of scaling in upstream's ops -------*- C++ -*-===//
//
// What the cpu target's kernels compute (runtime/kernels/common/scale_state.h
// and stats.h), op for op, so that the bits are the same.
//
//===----------------------------------------------------------------------===//

#ifndef CONVERSION_FP8TOUPSTREAM_BUILDERS_H
#define CONVERSION_FP8TOUPSTREAM_BUILDERS_H

#include "FP8/IR/FP8.h"
#include "mlir/IR/AffineMap.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace fp8c::upstream {

mlir::Value buildFloat(mlir::ImplicitLocOpBuilder &b, float value);

/// A number in another float type, rounded to nearest even.
mlir::Value buildCast(mlir::ImplicitLocOpBuilder &b, mlir::Value value,
                      mlir::Type type);

/// The number that a scalar tensor holds.
mlir::Value buildRead(mlir::ImplicitLocOpBuilder &b, mlir::Value scalar);

/// `x` between `low` and `high`; NaN fails both comparisons and stays, with its
/// sign.
mlir::Value buildLimited(mlir::ImplicitLocOpBuilder &b, mlir::Value x,
                         mlir::Value low, mlir::Value high);

/// Is a magnitude a number, and no infinity?
mlir::Value buildIsFinite(mlir::ImplicitLocOpBuilder &b, mlir::Value magnitude);

mlir::Value buildInverse(mlir::ImplicitLocOpBuilder &b, mlir::Value scale);

/// How a scale follows from an amax.
struct Scaling {
  mlir::FloatType format;
  int64_t margin;
  bool pow2;
};

/// max(format) * 2^-margin / amax, or `otherwise` if the amax says nothing.
mlir::Value buildScale(mlir::ImplicitLocOpBuilder &b, const Scaling &scaling,
                       mlir::Value amax, mlir::Value otherwise);

/// The code of `x`, which is of any float type, times an f32 scale.
mlir::Value buildCode(mlir::ImplicitLocOpBuilder &b, mlir::Value x,
                      mlir::Value scale, mlir::FloatType format);

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

using Body = llvm::function_ref<mlir::Value(mlir::ImplicitLocOpBuilder &,
                                            mlir::ValueRange)>;

/// A tensor that is computed element by element. An input without a map is of
/// the result's shape.
mlir::Value
buildElementwise(mlir::ImplicitLocOpBuilder &b, mlir::RankedTensorType type,
                 mlir::ValueRange inputs, Body body,
                 llvm::ArrayRef<std::optional<mlir::AffineMap>> maps = {});

/// An f32 tensor of zeros, to add to or to take maxima with.
mlir::Value buildZeros(mlir::ImplicitLocOpBuilder &b,
                       llvm::ArrayRef<int64_t> shape);

/// Largest magnitudes of `input`, over the dimensions that are not in `kept`:
/// of its finite elements, or, with `all`, of all of them, NaN if one is.
mlir::Value buildMagnitudes(mlir::ImplicitLocOpBuilder &b, mlir::Value input,
                            llvm::ArrayRef<int64_t> kept = {},
                            bool all = false);

} // namespace fp8c::upstream

#endif // CONVERSION_FP8TOUPSTREAM_BUILDERS_H
