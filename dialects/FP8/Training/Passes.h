//===- Passes.h - FP8 passes over training programs -------------*- C++ -*-===//

#ifndef FP8_TRAINING_PASSES_H
#define FP8_TRAINING_PASSES_H

#include "Train/IR/Functions.h"

namespace mlir {
class DialectRegistry;
} // namespace mlir

namespace fp8c::fp8 {

#define GEN_PASS_DECL
#include "FP8/Training/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "FP8/Training/Passes.h.inc"

/// Lets the passes of FP8/Transforms know programs of the train dialect: how
/// their variables are stored, and where their scale states are.
void registerTrainingPrograms(mlir::DialectRegistry &registry);

} // namespace fp8c::fp8

#endif // FP8_TRAINING_PASSES_H
