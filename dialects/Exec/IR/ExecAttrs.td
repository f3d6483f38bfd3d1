//===- ExecAttrs.td - Attributes of the exec dialect ----------------------===//

#ifndef EXEC_IR_EXECATTRS_TD
#define EXEC_IR_EXECATTRS_TD

include "Exec/IR/ExecDialect.td"
include "Target/IR/TargetInterfaces.td"
include "mlir/IR/AttrTypeBase.td"

def Exec_TargetAttr : AttrDef<Exec_Dialect, "Target", [DeclareAttrInterfaceMethods<TargetAttrInterface>]> {
  let mnemonic = "target";
  let summary = "The machine that a module is compiled for";
  let description = [{
    Stands on a module as `exec.target`. The back end comes first, then which of its machines:

    ```mlir
    module attributes {exec.target = #exec.target<cuda, sm_90>} {}
    module attributes {exec.target = #exec.target<cpu>} {}
    ```

    What passes decide by it is a row of the table in `ExecTarget.cpp`. A pair that is not in the table is an error,
    which lists those that are. A module without a target is compiled for `#exec.target<cpu>`; `exec-set-target` gives
    it another. An option of a pass that a user sets overrules the target.
  }];
  let parameters = (ins StringRefParameter<"cpu or cuda">:$backend,
                        StringRefParameter<"architecture of a GPU, as nvcc calls it">:$architecture);
  let extraClassDeclaration = [{
    /// The target of a command line: the cpu has no architecture, whatever `gpu`
    /// says. Null, with an error, if there is none.
    static TargetAttr getFor(::llvm::function_ref<::mlir::InFlightDiagnostic()> emitError,
                             ::mlir::MLIRContext *context, ::llvm::StringRef backend, ::llvm::StringRef gpu);
    /// Those that the table has for a backend, as `gpu` takes them.
    static ::std::vector<::std::string> getArchitectures(::llvm::StringRef backend);
  }];
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

#endif // EXEC_IR_EXECATTRS_TD
