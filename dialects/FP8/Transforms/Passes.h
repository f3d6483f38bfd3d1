//===- Passes.h - Passes of dialects/FP8/Transforms --------------*- C++
//-*-===//

#ifndef FP8_TRANSFORMS_PASSES_H
#define FP8_TRANSFORMS_PASSES_H

#include "Target/IR/Target.h"
#include "Train/IR/Functions.h"

namespace fp8c::fp8 {

#define GEN_PASS_DECL
#include "FP8/Transforms/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "FP8/Transforms/Passes.h.inc"

} // namespace fp8c::fp8

#endif // FP8_TRANSFORMS_PASSES_H
