//===- TestOps.td - Another compiler's matrix products --------------------===//
//
// Ops that the passes know nothing of but their interfaces.
//
//===----------------------------------------------------------------------===//

include "FP8/IR/FP8Interfaces.td"
include "mlir/IR/OpBase.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Test_Dialect : Dialect {
  let name = "test";
  let cppNamespace = "::test";
  let summary = "Stands for the dialect of another compiler";
}

class Test_Contraction<string mnemonic>
    : Op<Test_Dialect, mnemonic, [Pure, DeclareOpInterfaceMethods<FP8ContractionOpInterface>]>;

def Test_MatmulOp : Test_Contraction<"matmul"> {
  let summary = "a * b, or a * b^T with `transpose_b`";
  let arguments = (ins AnyRankedTensor:$a, AnyRankedTensor:$b, UnitAttr:$transpose_b);
  let results = (outs AnyRankedTensor:$c);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Test_MatmulBiasOp : Test_Contraction<"matmul_bias"> {
  let summary = "a * b + bias: more than a contraction";
  let arguments = (ins AnyRankedTensor:$a, AnyRankedTensor:$b, AnyRankedTensor:$bias);
  let results = (outs AnyRankedTensor:$c);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Test_SaysOp : Op<Test_Dialect, "says", [Pure, DeclareOpInterfaceMethods<FP8ContractionOpInterface,
                                           ["getContractionBatchRank", "getContractionInit", "buildSum"]>]> {
  let summary = "Says of itself what its attributes do, whether it makes sense or not";
  let arguments = (ins AnyType:$a, AnyType:$b, Optional<AnyType>:$init, I64Attr:$batch,
                       DenseI64ArrayAttr:$lhs, DenseI64ArrayAttr:$rhs, UnitAttr:$no_sum);
  let results = (outs AnyType:$c);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}
