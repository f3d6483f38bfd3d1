//===- Passes.h - Passes of dialects/Exec/Transforms --------------*- C++
//-*-===//

#ifndef EXEC_TRANSFORMS_PASSES_H
#define EXEC_TRANSFORMS_PASSES_H

#include "Target/IR/Target.h"
#include "Train/IR/Functions.h"

namespace fp8c::exec {

#define GEN_PASS_DECL
#include "Exec/Transforms/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "Exec/Transforms/Passes.h.inc"

} // namespace fp8c::exec

#endif // EXEC_TRANSFORMS_PASSES_H
