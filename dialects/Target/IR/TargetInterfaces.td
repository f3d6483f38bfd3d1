//===- TargetInterfaces.td - What a machine can do ------------------------===//

#ifndef TARGET_IR_TARGETINTERFACES_TD
#define TARGET_IR_TARGETINTERFACES_TD

include "mlir/IR/OpBase.td"

def TargetAttrInterface : AttrInterface<"TargetAttrInterface"> {
  let cppNamespace = "::fp8c";
  let description = [{
    An attribute that says which machine a module is compiled for. It stands on the module as `exec.target`. Passes do
    not ask for its class: they read its traits through `getTarget(op)`.
  }];
  let methods = [
    InterfaceMethod<"What passes decide by.", "const ::fp8c::TargetTraits &", "getTraits">
  ];
}

#endif // TARGET_IR_TARGETINTERFACES_TD
