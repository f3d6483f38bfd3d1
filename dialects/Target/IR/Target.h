//===- Target.h - What a module is compiled for -----------------*- C++ -*-===//
//
// Passes of every dialect ask here. Which machines there are is the exec
// dialect's: see its attribute #exec.target.
//
//===----------------------------------------------------------------------===//

#ifndef TARGET_IR_TARGET_H
#define TARGET_IR_TARGET_H

#include "mlir/IR/Attributes.h"
#include "mlir/IR/Operation.h"

namespace fp8c {

/// Parts of a wider tensor are read and written where they lie if they begin at
/// a multiple of so many elements: where 16 bytes of any format do, which
/// kernels and libraries move at once.
constexpr int64_t kPartMultiple = 16;

/// Which bias a product of the GEMM library adds by the way.
enum class GemmBias {
  none,
  ofResultType ///< a vector in the type of the result
};

/// What passes know of a machine. The defaults are those of modules that have
/// no target, as another compiler's.
struct TargetTraits {
  /// As diagnostics call it: "sm_90".
  llvm::StringLiteral name = "cpu";

  // Products.

  /// m, n and k of FP8 products are multiples of it.
  int64_t fp8Multiple = 16;
  /// There are FP8 products of batches.
  bool fp8Batches = true;
  /// FP8 products have their contracted dimensions last ("TN").
  bool fp8TN = false;
  /// Operands and results in other formats need f32 copies.
  bool multipliesF32Only = true;
  GemmBias gemmBias = GemmBias::none;

  // Kernels.

  /// Shared memory that a block of threads can have, in bytes; 0: there is no
  /// such thing.
  int64_t sharedMemoryBytes = 0;
  /// f32 instructions in the time in which memory gives a byte.
  int64_t instructionsPerByte = 10;
  /// Rows of a block of partial sums over rows; 0: none are made.
  int64_t sumRows = 0;
  /// Codes of a row, in all transposed copies, up to which a kernel that
  /// reduces over rows makes more than one copy.
  int64_t transposedCodes = 6400;

  /// Kernels and exchanges can run beside each other.
  bool runsAsync = false;

  // Sizes.

  /// Columns of logits become a multiple of it; 1: they stay as they are.
  int64_t vocabularyMultiple = 1;
  /// Of the largest logits buffer; 0: no limit.
  int64_t maxLogitsBytes = 0;
  /// What the runtime has for library calls without being asked; 0: they take
  /// no scratch, and none is planned.
  int64_t leastWorkspaceBytes = 0;
  /// Widest heads that the attention library has, in elements.
  int64_t attentionForwardWidth = 0, attentionBackwardWidth = 0;

  /// What backward computes anew if nobody says, as `train-recompute` takes it,
  /// with commas.
  llvm::StringLiteral recompute = "";
};

/// A setting of a pass that overrules the target; see TargetOptions.td.
enum class Override { target, no, yes };
inline bool overrule(bool ofTarget, Override setting) {
  return setting == Override::target ? ofTarget : setting == Override::yes;
}
/// The same of a number that is not negative: -1 is the target's.
inline int64_t overrule(int64_t ofTarget, int64_t setting) {
  return setting < 0 ? ofTarget : setting;
}

/// On a module: what it is compiled for, a `TargetAttrInterface`.
constexpr llvm::StringLiteral kTargetAttr = "exec.target";

/// Those of the target of the module that the op is in; of the cpu if it has
/// none.
const TargetTraits &getTarget(mlir::Operation *op);

} // namespace fp8c

#include "Target/IR/TargetInterfaces.h.inc"

#endif // TARGET_IR_TARGET_H
