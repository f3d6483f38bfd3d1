//===- FP8.h - Types, ops and interfaces of the fp8 dialect -----*- C++ -*-===//

#ifndef FP8_IR_FP8_H
#define FP8_IR_FP8_H

#include "FP8/IR/JoinedTypes.h"
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
#include "FP8/IR/FP8Enums.h.inc"

namespace fp8c::fp8 {
/// Who chooses the float type of a result: the recipe; the operands (the op
/// only moves values, so that rounding them would be no part of it); or nobody
/// (the op's definition wants f32, as for a loss or the statistics of a row).
enum class ResultPrecision { Chosen, Inherited, Fixed };

class FP8ContractionOpInterface;
/// See FP8ContractionOpInterface::getContractionObstacle.
std::string getOperandsObstacle(FP8ContractionOpInterface op);
} // namespace fp8c::fp8

#include "FP8/IR/FP8Interfaces.h.inc"

namespace fp8c::fp8 {
/// FP8, as opposed to the formats that ops other than fp8.matmul can take.
inline bool isFP8(mlir::Type format) {
  return mlir::isa_and_nonnull<mlir::Float8E4M3FNType, mlir::Float8E5M2Type>(
      format);
}

/// f32, bf16 or f16: the formats of tensors.
inline bool isWide(mlir::Type format) {
  return mlir::isa_and_nonnull<mlir::Float32Type, mlir::BFloat16Type,
                               mlir::Float16Type>(format);
}
} // namespace fp8c::fp8

#define GET_ATTRDEF_CLASSES
#include "FP8/IR/FP8Attrs.h.inc"

#define GET_TYPEDEF_CLASSES
#include "FP8/IR/FP8Types.h.inc"

#define GET_OP_CLASSES
#include "FP8/IR/FP8Ops.h.inc"

namespace fp8c::fp8 {

/// Roles of values, as recipes and `fp8.role` call them.
constexpr llvm::StringLiteral kActivation = "activation", kWeight = "weight",
                              kGradient = "gradient";

/// On the variable of a scale state, i64: how many values a micro-batch counts
/// in its statistics.
constexpr llvm::StringLiteral kCountedAttr = "fp8.counted";
/// On that variable, where its type is lost: the format that the site scales
/// for.
constexpr llvm::StringLiteral kFormatAttr = "fp8.format";

/// Attributes of the results of @observe: the role of the operand, and an array
/// of the contractions that read it, each {op, gemm, operand, contracting}.
/// fp8-insert-scaling adds how a use is quantised, if its scale is current:
/// quantised = {format, tile, margin, pow2}, tile being empty for one scale.
constexpr llvm::StringLiteral kOperandRoleAttr = "fp8.role",
                              kOperandUsesAttr = "fp8.uses",
                              kUseQuantisedKey = "quantised";

/// Attribute of the module: how many uses of activations and gradients have
/// scales of their own amaxes, which only @observe can show.
constexpr llvm::StringLiteral kCurrentUsesAttr = "fp8.current_uses";

/// Attribute of the module: the name of the recipe that chose its formats.
constexpr llvm::StringLiteral kRecipeAttr = "fp8.recipe";

/// Attribute of the module: what became of the contractions of @micro, or of
/// @forward where there is no @micro. A dictionary of how many are in FP8, how
/// many the recipe asks for in FP8 in vain, by reason, and how many it asks for
/// in another format, by format. Absent if the recipe asks for none in FP8.
constexpr llvm::StringLiteral kProductsAttr = "fp8.products",
                              kProductsFP8Key = "fp8",
                              kProductsRefusedKey = "refused",
                              kProductsAskedKey = "asked";

/// Largest finite value of an FP8 storage format (448 or 57344), or of f16
/// (65504).
double maxFinite(mlir::FloatType format);

/// Shape of a ranked tensor or of a scaled tensor; of a scale that of a scalar.
llvm::ArrayRef<int64_t> getShape(mlir::Type type);

inline bool isBlock(Granularity granularity) {
  return granularity == Granularity::Block1x128 ||
         granularity == Granularity::Block128x128;
}

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

/// What a matmul contracts of an operand: what its attribute says, else as ONNX
/// does, the last dimension of the left one and the last but one of the right.
llvm::SmallVector<int64_t>
getLhsContractingDims(std::optional<llvm::ArrayRef<int64_t>> given,
                      int64_t rank);
llvm::SmallVector<int64_t>
getRhsContractingDims(std::optional<llvm::ArrayRef<int64_t>> given,
                      int64_t rank);

/// The op as a contraction; null if it is none.
FP8ContractionOpInterface getContraction(mlir::Operation *op);

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
