//===- ExecInterfaces.td - What passes ask of the ops of a program --------===//

#ifndef EXEC_IR_EXECINTERFACES_TD
#define EXEC_IR_EXECINTERFACES_TD

include "mlir/IR/OpBase.td"

def Exec_WorkOpInterface : OpInterface<"WorkOpInterface"> {
  let cppNamespace = "::fp8c::exec";
  let description = [{
    An op that computes or moves something when the program runs. What it reads
    and writes are its memory effects; this is what it takes.
  }];
  let methods = [
    InterfaceMethod<[{
      What the op cannot do without: every operation once, every buffer moved
      once. By default it moves what its operands hold, and computes nothing to speak of.
    }], "::fp8c::exec::Cost", "getCost", (ins "const ::mlir::SymbolTable &":$kernels), "", "return getMoveCost($_op);">,
    InterfaceMethod<"May the output be the input's memory, if both are whole and of one width?", "bool", "mayOverwrite",
                    (ins "::mlir::OpOperand &":$input, "::mlir::OpOperand &":$output, "const ::mlir::SymbolTable &":$kernels),
                    "", "return false;">,
    InterfaceMethod<[{
      Does the op treat every row of its buffers by itself? Then it can be done for some rows
      at a time: operands of rank 0 stay, of the others the rows are taken.
    }], "bool", "isRowByRow", (ins), "", "return false;">,
    InterfaceMethod<[{
      Bytes of the runtime's shared workspace that the op needs while it runs.
    }], "int64_t", "getSharedWorkspaceBytes", (ins), "", "return 0;">
  ];
}

#endif // EXEC_IR_EXECINTERFACES_TD
