//===- ProgramPass.td - The base of passes over programs ------------------===//

#ifndef TRAIN_IR_PROGRAMPASS_TD
#define TRAIN_IR_PROGRAMPASS_TD

include "mlir/Pass/PassBase.td"

// See ProgramPass in Train/IR/Functions.h: a pass overrides runOnProgram.
class ProgramPass<string argument> : PassBase<argument, "::fp8c::train::ProgramPass">;

#endif // TRAIN_IR_PROGRAMPASS_TD
