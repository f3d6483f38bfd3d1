//===- ExecEnums.td - Enumerations of the exec dialect --------------------===//

#ifndef EXEC_IR_EXECENUMS_TD
#define EXEC_IR_EXECENUMS_TD

include "mlir/IR/EnumAttr.td"

def Exec_Access : I32EnumAttr<"Access", "How an access depends on the position", [
    I32EnumAttrCase<"full", 0>, I32EnumAttrCase<"col", 1>, I32EnumAttrCase<"row", 2>,
    I32EnumAttrCase<"scalar", 3>, I32EnumAttrCase<"tile", 4>]> {
  let cppNamespace = "::fp8c::exec";
}
def Exec_Reduction : I32EnumAttr<"Reduction", "What a reduction computes", [
    I32EnumAttrCase<"sum", 0>, I32EnumAttrCase<"max", 1>]> {
  let cppNamespace = "::fp8c::exec";
}

#endif // EXEC_IR_EXECENUMS_TD
