//===- SourceOpInterface.td - How an op is printed as source --------------===//

#ifndef TARGET_SOURCE_SOURCEOPINTERFACE_TD
#define TARGET_SOURCE_SOURCEOPINTERFACE_TD

include "mlir/IR/OpBase.td"

def SourceOpInterface : OpInterface<"SourceOpInterface"> {
  let cppNamespace = "::fp8c::target";
  let description = [{
    An op that a target can print as statements of C++ or CUDA C++. The exec
    dialect knows no source: its ops get the interface here, as external models.
  }];
  let methods = [
    InterfaceMethod<"Prints the op, or names what it stands for; an error where the target cannot do it.",
                    "::llvm::LogicalResult", "printSource", (ins "::fp8c::target::SourceWriter &":$writer)>
  ];
}

#endif // TARGET_SOURCE_SOURCEOPINTERFACE_TD
