//===- ExecPlan.h - Places in memory, held against their use ----*- C++ -*-===//

#ifndef EXEC_IR_EXECPLAN_H
#define EXEC_IR_EXECPLAN_H

#include "mlir/IR/BuiltinOps.h"

namespace fp8c::exec {

/// Checks what passes planned: that variables and temporaries have places in
/// their blocks, variables each its own, and that what is read of a temporary
/// was written and not overwritten since. And that products take codes by the
/// scale that they were made with.
mlir::LogicalResult verifyPlan(mlir::ModuleOp module);

} // namespace fp8c::exec

#endif // EXEC_IR_EXECPLAN_H
