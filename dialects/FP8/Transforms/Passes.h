//===- Passes.h - Passes of the FP8 lowering --------------------*- C++ -*-===//

#ifndef FP8_TRANSFORMS_PASSES_H
#define FP8_TRANSFORMS_PASSES_H

#include "Target/IR/Target.h"
#include "mlir/Pass/Pass.h"

namespace fp8c::fp8 {

/// Where fp8-insert-scaling has the states of functions that are no program's.
enum class StatesPlace { arguments, none };

#define GEN_PASS_DECL
#include "FP8/Transforms/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "FP8/Transforms/Passes.h.inc"

} // namespace fp8c::fp8

#endif // FP8_TRANSFORMS_PASSES_H
