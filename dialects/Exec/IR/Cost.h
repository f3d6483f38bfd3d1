//===- Cost.h - What an op does and moves -----------------------*- C++ -*-===//

#ifndef EXEC_IR_COST_H
#define EXEC_IR_COST_H

#include "mlir/IR/Operation.h"

namespace fp8c::exec {

/// Which of a GPU's rates an op's arithmetic runs at.
enum class Unit { vector, f32, bf16, fp8Fast, fp8Slow };

/// A multiplication and an addition are two FLOPs. Causal attention counts
/// the half of the scores that it keeps: 2·b·h·t·s·d forward (two products), 5
/// instead of 2 products backward (arXiv 2205.14135, appendix B.2). Gradients
/// are as in the first micro-batch of a step, which reads none.
struct Cost {
  double flops = 0, bytes = 0;
  Unit unit = Unit::vector;
  /// Of a matrix product the contracted size, which its rate depends on.
  int64_t k = 0;
};

/// Nothing but moving each operand once, elements that a stride of 0 repeats
/// once.
Cost getMoveCost(mlir::Operation *op);

} // namespace fp8c::exec

#endif // EXEC_IR_COST_H
