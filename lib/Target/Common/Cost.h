//===- Cost.h - What an exec op does and moves ------------------*- C++ -*-===//

#ifndef TARGET_COMMON_COST_H
#define TARGET_COMMON_COST_H

#include "Exec/IR/Exec.h"

namespace fp8c::target {

/// Which of a GPU's rates an op's arithmetic runs at.
enum class Unit { vector, f32, bf16, fp8Fast, fp8Slow };

/// What an op cannot do without: every operation once, every buffer it reads
/// or writes moved once.
struct Cost {
  double flops = 0, bytes = 0;
  Unit unit = Unit::vector;
  /// Of a matrix product the contracted size, which its rate depends on.
  int64_t k = 0;
};

/// The cost of a `gemm`, `launch`, `call`, `copy` or `fill`; nothing for other
/// ops. A multiplication and an addition are two FLOPs. Causal attention counts
/// the half of the scores that it keeps: 2·b·h·t·s·d forward (two products), 5
/// instead of 2 products backward (arXiv 2205.14135, appendix B.2). Gradients
/// are as in the first micro-batch of a step, which reads none.
Cost getCost(mlir::Operation *op, const mlir::SymbolTable &symbols);

} // namespace fp8c::target

#endif // TARGET_COMMON_COST_H
