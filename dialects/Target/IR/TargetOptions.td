//===- TargetOptions.td - Options that overrule the target ----------------===//

#ifndef TARGET_IR_TARGETOPTIONS_TD
#define TARGET_IR_TARGETOPTIONS_TD

include "mlir/Pass/PassBase.td"

/// `false` or `true`, whatever the module's target says.
class TargetOverride<string variable, string argument, string description>
    : Option<variable, argument, "::fp8c::Override", "::fp8c::Override::target", description,
             [{::llvm::cl::values(
                 clEnumValN(::fp8c::Override::target, "target", "As the module's target says"),
                 clEnumValN(::fp8c::Override::no, "false", "No"),
                 clEnumValN(::fp8c::Override::yes, "true", "Yes"))}]>;

#endif // TARGET_IR_TARGETOPTIONS_TD
