//===- Passes.h - Passes of dialects/Train/Transforms --------------*- C++
//-*-===//

#ifndef TRAIN_TRANSFORMS_PASSES_H
#define TRAIN_TRANSFORMS_PASSES_H

#include "Target/IR/Target.h"
#include "Train/IR/Functions.h"

namespace fp8c::train {

#define GEN_PASS_DECL
#include "Train/Transforms/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "Train/Transforms/Passes.h.inc"

} // namespace fp8c::train

#endif // TRAIN_TRANSFORMS_PASSES_H
