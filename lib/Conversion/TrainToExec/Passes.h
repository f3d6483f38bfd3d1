//===- Passes.h - convert-to-exec -------------------------------*- C++ -*-===//

#ifndef CONVERSION_TRAINTOEXEC_PASSES_H
#define CONVERSION_TRAINTOEXEC_PASSES_H

#include "Target/IR/Target.h"
#include "Train/IR/Functions.h"

namespace fp8c {

#define GEN_PASS_DECL
#include "Conversion/TrainToExec/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "Conversion/TrainToExec/Passes.h.inc"

} // namespace fp8c

#endif // CONVERSION_TRAINTOEXEC_PASSES_H
