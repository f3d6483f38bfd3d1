//===- Toy.td - A dialect that knows FP8 by one interface -----------------===//

include "FP8/IR/FP8Interfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/IR/OpBase.td"

def Toy_Dialect : Dialect {
  let name = "toy";
  let cppNamespace = "::toy";
}

class Toy_Op<string mnemonic, list<Trait> traits = []> : Op<Toy_Dialect, mnemonic, !listconcat([Pure], traits)>;

def Toy_LinearOp : Toy_Op<"linear", [DeclareOpInterfaceMethods<FP8ContractionOpInterface, ["getContractionInit", "buildSum"]>]> {
  let summary = "y = x w, plus a residual";
  let description = "x: [.., k], w: [k, n], residual and y: [.., n], of one type.";
  let arguments = (ins AnyRankedTensor:$x, AnyRankedTensor:$w, Optional<AnyRankedTensor>:$residual);
  let results = (outs AnyRankedTensor:$y);
  let assemblyFormat = "$x `,` $w (`plus` $residual^ `:` type($residual))? attr-dict `:` type($x) `,` type($w) `->` type($y)";
}

def Toy_AddOp : Toy_Op<"add", [AllTypesMatch<["a", "b", "sum"]>]> {
  let arguments = (ins AnyRankedTensor:$a, AnyRankedTensor:$b);
  let results = (outs AnyRankedTensor:$sum);
  let assemblyFormat = "$a `,` $b attr-dict `:` type($sum)";
}

def Toy_ReluOp : Toy_Op<"relu", [AllTypesMatch<["x", "y"]>]> {
  let arguments = (ins AnyRankedTensor:$x);
  let results = (outs AnyRankedTensor:$y);
  let assemblyFormat = "$x attr-dict `:` type($y)";
}
