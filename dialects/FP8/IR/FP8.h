//===- FP8.h - Types, ops and interfaces of the fp8 dialect -----*- C++ -*-===//

#ifndef FP8_IR_FP8_H
#define FP8_IR_FP8_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include <optional>
#include <string>

#include "FP8/IR/FP8Dialect.h.inc"
#include "FP8/IR/FP8Interfaces.h.inc"

#define GET_TYPEDEF_CLASSES
#include "FP8/IR/FP8Types.h.inc"

#define GET_OP_CLASSES
#include "FP8/IR/FP8Ops.h.inc"

namespace fp8c::fp8 {

/// Largest finite value of an FP8 storage format (448 or 57344), or of f16
/// (65504).
double maxFinite(mlir::FloatType format);

/// Shape of a ranked tensor or of a scaled tensor.
llvm::ArrayRef<int64_t> getShape(mlir::Type type);

/// Which elements of a contraction's operand share a scale: all of them, those
/// that one result sums over (a row), 128 neighbours of these, or those of 128
/// neighbouring rows.
enum class Granularity { Tensor, Row, Block1x128, Block128x128 };

inline bool isBlock(Granularity granularity) {
  return granularity == Granularity::Block1x128 ||
         granularity == Granularity::Block128x128;
}

/// The words of recipes: "tensor", "row", "1x128", "128x128".
llvm::StringRef stringifyGranularity(Granularity granularity);
std::optional<Granularity> symbolizeGranularity(llvm::StringRef word);

/// Elements along the contracted dimension that share a scale in blocks.
constexpr int64_t kBlockSize = 128;

/// The tile of an operand of a granularity that is contracted over the given
/// dimensions, which stand together at the start or at the end; empty for
/// `Tensor`. None if tiles cannot say it: if blocks would cross the end of a
/// dimension, or square ones are wanted of what has not two.
std::optional<llvm::SmallVector<int64_t>>
getTile(Granularity granularity, llvm::ArrayRef<int64_t> shape,
        llvm::ArrayRef<int64_t> contracting);

/// The granularity whose tile an operand has; none if there is none.
std::optional<Granularity> getGranularity(ScaledType type,
                                          llvm::ArrayRef<int64_t> contracting);

/// What is wrong with a contraction; none if nothing is. `lhs` and `rhs`
/// contracted over the given dimensions must give `result`, and the contracted
/// dimensions must stand together, in order, at the start or at the end of the
/// dimensions after the batch, so that each operand is a matrix.
std::optional<std::string>
getContractionError(llvm::ArrayRef<int64_t> lhs, llvm::ArrayRef<int64_t> rhs,
                    llvm::ArrayRef<int64_t> result, int64_t batchRank,
                    llvm::ArrayRef<int64_t> lhsContracting,
                    llvm::ArrayRef<int64_t> rhsContracting);

/// The same as an error at `op`.
mlir::LogicalResult
verifyContraction(mlir::Operation *op, llvm::ArrayRef<int64_t> lhs,
                  llvm::ArrayRef<int64_t> rhs, llvm::ArrayRef<int64_t> result,
                  int64_t batchRank, llvm::ArrayRef<int64_t> lhsContracting,
                  llvm::ArrayRef<int64_t> rhsContracting);

/// A contraction as the matrix product a GEMM library knows: per batch entry
/// `c[m, n] = sum_k a[m, k] * b[k, n]`. `transposeA` says that the left operand
/// is stored as [k, m], `transposeB` that the right one is stored as [n, k].
struct GemmDims {
  int64_t batch = 1, m = 1, n = 1, k = 1;
  bool transposeA = false, transposeB = false;
};
GemmDims getGemmDims(FP8ContractionOpInterface op);

} // namespace fp8c::fp8

#endif // FP8_IR_FP8_H
