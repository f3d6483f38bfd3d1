//===- Exec.h - Ops of the exec dialect -------------------------*- C++ -*-===//

#ifndef EXEC_IR_EXEC_H
#define EXEC_IR_EXEC_H

#include "Exec/IR/Cost.h"
#include "Exec/IR/Pitch.h"
#include "Target/IR/Target.h"
#include "Train/IR/Train.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"

#include "Exec/IR/ExecDialect.h.inc"
#include "Exec/IR/ExecEnums.h.inc"
#include "Exec/IR/ExecInterfaces.h.inc"

#define GET_ATTRDEF_CLASSES
#include "Exec/IR/ExecAttrs.h.inc"

#define GET_OP_CLASSES
#include "Exec/IR/ExecOps.h.inc"

namespace fp8c::exec {

/// The type of a buffer.
inline mlir::MemRefType typeOf(mlir::Value buffer) {
  return llvm::cast<mlir::MemRefType>(buffer.getType());
}

/// A memref of floats or integers whose shape and strides are known.
bool isBuffer(mlir::Type type);
/// Buffers with a meaning: a scale and its inverse (kScalePairWords), a
/// `!fp8.scale_state`, an `!fp8.stats`.
bool isScalePair(mlir::Type type);
bool isScaleState(mlir::Type type);
bool isStats(mlir::Type type);

/// Alignment of every buffer, in bytes: a cache line, and what vector loads
/// like.
constexpr int64_t kAlignment = 64;

/// Bytes from the first to past the last element of a buffer of static shape.
int64_t getByteSize(mlir::MemRefType type);

/// What kernels compute with in place of a buffer's elements: f32 for all
/// floats, integers and truth values themselves.
mlir::Type getScalarType(mlir::Type buffer);

/// Is the buffer dense and row-major?
bool isContiguous(mlir::MemRefType type);

/// Of [batch, tokens, width]: are tokens at one stride, across sequences too?
bool haveOneStride(mlir::MemRefType tokens);

/// How rows of `cols` elements lie in a buffer; nothing if they do otherwise.
std::optional<Pitch> getPitch(mlir::MemRefType type, int64_t cols);

/// What a buffer is a view of, or the buffer itself.
mlir::Value getRoot(mlir::Value buffer);

/// The buffers that an op reads and writes, as its memory effects say; a buffer
/// that it does both with is in both.
void getEffects(mlir::Operation *op, llvm::SmallVectorImpl<mlir::Value> &reads,
                llvm::SmallVectorImpl<mlir::Value> &writes);

/// Bytes of scratch of collectives among this many processes: of tensors, what
/// the others send of the parts that this one joins, also where neighbours in
/// memory are one tensor; of statistics, those of all.
int64_t getJoinScratchBytes(mlir::ValueRange inputs, mlir::ValueRange outputs,
                            int64_t processes);
/// Of tensors of which each process joins its share: what the others send.
int64_t getScatterScratchBytes(mlir::ValueRange outputs, int64_t processes);
/// How many parts of `output` `input` is; 0 if it is none.
int64_t countParts(mlir::Value input, mlir::Value output);
int64_t getAgreeScratchBytes(int64_t stats, int64_t processes);

/// Bytes of the f32 copies that a product of these buffers needs where the
/// library multiplies f32 only.
int64_t getGemmWorkspaceBytes(mlir::Value a, mlir::Value b, mlir::Value c);

/// Words of a scale pair: the scale, and 16 bytes on its inverse, because
/// cuBLASLt wants that aligned.
constexpr int64_t kScaleInverseWord = 4, kScalePairWords = 5;

/// Words of a `!fp8.scale_state` buffer with the given window: a scale pair,
/// three of statistics, filled, then the window.
constexpr int64_t getScaleStateWords(int64_t window) { return 9 + window; }
constexpr int64_t kScaleStateStatsWord = 5;
/// The type of a word of statistics, which nothing else has.
inline mlir::Type getStatsWordType(mlir::MLIRContext *context) {
  return mlir::IntegerType::get(context, 32, mlir::IntegerType::Unsigned);
}

/// Does the kernel need to be told whether this micro-batch is the first of a
/// step?
bool dependsOnMicroBatch(KernelOp kernel);

/// What a kernel of the skeleton `rows` writes across rows.
struct AcrossRows {
  int transposedCopies = 0;
  /// Rows of a partial sum; 0 if there is none.
  int64_t sumRows = 0;
  explicit operator bool() const { return transposedCopies || sumRows; }
};
AcrossRows getAcrossRows(KernelOp kernel);

/// Is everything that the kernel does with a row done element by element?
bool isElementwise(KernelOp kernel);

/// Function attribute, i64: how many arguments are inputs; the others are
/// outputs.
constexpr llvm::StringLiteral kInputsAttr = "exec.inputs";

/// Function attributes set by exec-plan-memory, in bytes.
constexpr llvm::StringLiteral kPeakAttr = "exec.peak",
                              kLowerBoundAttr = "exec.lower_bound";

/// Module attributes, in bytes: of all variables, of the arena, and where the
/// target's library calls need one of their workspace.
constexpr llvm::StringLiteral kVariablesAttr = "exec.variables_bytes",
                              kArenaAttr = "exec.arena_bytes",
                              kWorkspaceAttr = "exec.workspace_bytes";

} // namespace fp8c::exec

#endif // EXEC_IR_EXEC_H
