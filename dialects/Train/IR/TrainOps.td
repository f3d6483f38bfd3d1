//===- TrainOps.td - Operations of the train dialect ----------------------===//

#ifndef TRAIN_IR_TRAINOPS_TD
#define TRAIN_IR_TRAINOPS_TD

include "FP8/IR/FP8Interfaces.td"
include "FP8/IR/FP8Types.td"
include "Train/IR/TrainAttrs.td"
include "Train/IR/TrainInterfaces.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Train_Float : StaticShapeTensorOf<[F32, BF16, F16]>;
/// A scalar f32 tensor: being buildable, it is never spelled out where it is a result.
def Train_Scalar : Type<0DTensorOf<[F32]>.predicate, "scalar f32 tensor", "::mlir::RankedTensorType">,
                   BuildableType<"::mlir::RankedTensorType::get({}, $_builder.getF32Type())">;
def Train_F32 : StaticShapeTensorOf<[F32]>;
def Train_Ids : StaticShapeTensorOf<[I64]>;
/// Integers are exact modulo 2^bits: they are never rounded, nor taken through floats.
def Train_Number : StaticShapeTensorOf<[F32, BF16, F16, I64, I32]>;
def Train_Bool : StaticShapeTensorOf<[I1]>;
def Train_Condition : StaticShapeTensorOf<[F32, BF16, F16, I1]>;
def Train_Any : StaticShapeTensorOf<[F32, BF16, F16, I64, I32, I1]>;

class Train_Op<string mnemonic, list<Trait> traits = []> : Op<Train_Dialect, mnemonic, traits>;
/// `precision` is empty for ops whose types are not theirs to choose.
class Train_PureOp<string mnemonic, list<Trait> traits = [], list<Trait> precision = [PrecisionOpInterface]>
    : Train_Op<mnemonic, !listconcat([Pure], precision, traits)>;
/// Some or all results have no type of their own: see TrainPrecision.cpp.
def OwnPrecision : DeclareOpInterfaceMethods<PrecisionOpInterface, ["getResultPrecision"]>;

def Differentiable : DeclareOpInterfaceMethods<DifferentiableOpInterface>;
def Decomposable : DeclareOpInterfaceMethods<DecomposableOpInterface>;
def ColumnDecomposable : DeclareOpInterfaceMethods<DecomposableOpInterface, ["reducesColumns"]>;
def ScalarExpansion : DeclareOpInterfaceMethods<ScalarExpansionOpInterface>;

//===----------------------------------------------------------------------===//
// Variables and hyperparameters
//===----------------------------------------------------------------------===//

def Train_VariableOp : Train_Op<"variable", [Symbol, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "A value that lives from step to step";
  let description = [{
    `init` is a distribution, a constant or a range of a file; or f32 values, where a model has none of these: few,
    since they stand in the IR. `of` names the parameter that a gradient, a moment or a compute weight belongs to.

    Example:
    ```mlir
    train.variable @"h.0/mlp/fc.weight" : tensor<128x512xf32>
      {init = #train.normal<mean = 0.0, stddev = 0.02>, role = #train.role<parameter>}
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttr:$type, Train_RoleAttr:$role,
                       AnyAttr:$init, OptionalAttr<FlatSymbolRefAttr>:$of);
  let assemblyFormat = "$sym_name `:` $type attr-dict";
  let hasVerifier = 1;
}

def Train_ReadOp : Train_PureOp<"read", [DeclareOpInterfaceMethods<SymbolUserOpInterface>,
    DeclareOpInterfaceMethods<ValueRoleOpInterface, ["getValueRole"]>], []> {
  let summary = "A variable's value at entry of the function";
  let description = [{
    Pure: an assignment in the same function does not change what is read.
    `accumulated`: what the micro-batches before this one have summed up since the step began, so zero in the first one, whatever the variable holds.

    Example:
    ```mlir
    %w = train.read @"h.0/mlp/fc.weight" : tensor<128x512xf32>
    %g = train.read @"h.0/mlp/fc.weight.grad" accumulated : tensor<128x512xf32>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$variable, UnitAttr:$accumulated);
  let results = (outs AnyType:$value);
  let assemblyFormat = "$variable (`accumulated` $accumulated^)? attr-dict `:` type($value)";
}

def Train_AssignOp : Train_Op<"assign", [DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Give a variable its value at exit of the function";
  let description = [{
    At most one per variable and function.

    Example: `train.assign @"h.0/mlp/fc.weight", %w1 : tensor<128x512xf32>`
  }];
  let arguments = (ins FlatSymbolRefAttr:$variable, AnyType:$value);
  let assemblyFormat = "$variable `,` $value attr-dict `:` type($value)";
}

//===----------------------------------------------------------------------===//
// Several processes
//===----------------------------------------------------------------------===//

def Train_GridOp : Train_Op<"grid", [Symbol]> {
  let summary = "The processes that run the program, by axes";
  let description = [{
    All processes run one program (SPMD). Their ranks count along the axes, the last one fastest; along `dp` each has other data. A module has at most one grid; without one
    there is one process.

    Example: `train.grid @grid [dp = 4]`
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, StrArrayAttr:$axes, DenseI64ArrayAttr:$sizes);
  let assemblyFormat = "$sym_name custom<Axes>($axes, $sizes) attr-dict";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Processes along an axis; 0 if there is no such axis.
    int64_t getSize(::llvm::StringRef axis);
    /// All processes.
    int64_t getCount();
  }];
}

def Train_AllReduceOp : Train_PureOp<"all_reduce", [DeclareOpInterfaceMethods<SymbolUserOpInterface>], []> {
  let summary = "Sum or maximum of values over the processes along axes of the grid";
  let description = [{
    Element by element, and of several values in one exchange. Every process gets the same bits, and must come to it: it stands where no process turns another
    way. Sums are rounded to the type of the value at least once. With parts (see `train.put_part`), the first dimension, which the results lack, is joined too:
    the first part of every process in the order of ranks, then the second.

    Example: `%h:2 = train.all_reduce %g, %b sum over ["dp"] : tensor<128x512xbf16>, tensor<512xf32>`, with parts
    `%h = train.all_reduce %p sum over ["dp"] : tensor<4x128x512xbf16> -> tensor<128x512xbf16>`
  }];
  let arguments = (ins Variadic<Train_Float>:$inputs, Train_ReductionAttr:$reduction, StrArrayAttr:$axes);
  let results = (outs Variadic<Train_Float>:$outputs);
  let assemblyFormat = "$inputs `` $reduction `over` $axes attr-dict `:` custom<JoinedTypes>(type($inputs), type($outputs))";
  let hasVerifier = 1;
}

def Train_AllGatherOp : Train_PureOp<"all_gather", [DeclareOpInterfaceMethods<SymbolUserOpInterface>], []> {
  let summary = "The values of the processes along axes of the grid, one after the other";
  let description = [{
    Along the first dimension, in the order of ranks, and of several values in one exchange. Every process gets all.

    Example: `%w:2 = train.all_gather %a, %b over ["dp"] : tensor<64x512xbf16>, tensor<8xf32> -> tensor<128x512xbf16>, tensor<16xf32>`
  }];
  let arguments = (ins Variadic<Train_Float>:$inputs, StrArrayAttr:$axes);
  let results = (outs Variadic<Train_Float>:$outputs);
  let assemblyFormat = "$inputs `over` $axes attr-dict `:` custom<JoinedTypes>(type($inputs), type($outputs))";
  let hasVerifier = 1;
}

def Train_ReduceScatterOp : Train_PureOp<"reduce_scatter", [DeclareOpInterfaceMethods<SymbolUserOpInterface>], []> {
  let summary = "Sum or maximum over the processes along axes of the grid, of which each gets its share";
  let description = [{
    The first dimension is divided by the number of processes: process r gets the r-th of the shares, joined in f32 in the order of ranks and rounded once. With
    `train.all_gather` behind it, it makes what `train.all_reduce` makes, to the bit. Several values in one exchange.

    Example: `%h = train.reduce_scatter %g sum over ["dp"] : tensor<128x512xbf16> -> tensor<64x512xbf16>`
  }];
  let arguments = (ins Variadic<Train_Float>:$inputs, Train_ReductionAttr:$reduction, StrArrayAttr:$axes);
  let results = (outs Variadic<Train_Float>:$outputs);
  let assemblyFormat = "$inputs `` $reduction `over` $axes attr-dict `:` custom<JoinedTypes>(type($inputs), type($outputs))";
  let hasVerifier = 1;
}

def Train_AllToAllOp : Train_PureOp<"all_to_all", [AllTypesMatch<["inputs", "outputs"]>, DeclareOpInterfaceMethods<SymbolUserOpInterface>], []> {
  let summary = "To each process along axes of the grid its share of every other's value";
  let description = [{
    The first dimension is divided by the number of processes. Process r gets the r-th share of each of them, one after the other in the order of ranks: the first two of the dimensions
    [processes, processes, ...] that all values together have are transposed. Several values in one exchange.

    Example: `%y = train.all_to_all %x over ["dp"] : tensor<128x512xbf16>`
  }];
  let arguments = (ins Variadic<Train_Float>:$inputs, StrArrayAttr:$axes);
  let results = (outs Variadic<Train_Float>:$outputs);
  let assemblyFormat = "$inputs `over` $axes attr-dict `:` type($inputs)";
  let hasVerifier = 1;
}

def Train_PutPartOp : Train_PureOp<"put_part", [AllTypesMatch<["parts", "output"]>], []> {
  let summary = "Keep what a micro-batch gives beside what the others give";
  let description = [{
    `parts`, with `input` at `index` of its first dimension: the number of the micro-batch in its step. A sum of parts that are kept does not depend on which of them one process has.
    `parts` is a variable's value, and the result what it is assigned.

    Example: `%q = train.put_part %g into %p at %i : tensor<128x512xbf16> into tensor<4x128x512xbf16>`
  }];
  let arguments = (ins Train_Float:$input, Train_Float:$parts, Train_Scalar:$index);
  let results = (outs Train_Float:$output);
  let assemblyFormat = "$input `into` $parts `at` $index attr-dict `:` type($input) `into` type($parts)";
  let hasVerifier = 1;
}

def Train_HyperOp : Train_PureOp<"hyper", [], []> {
  let summary = "A number that is set at run time, without recompiling";
  let description = [{
    One of `lr`, `beta1`, `beta2`, `eps`, `weight_decay`, `clip_norm`, `step`
    (from 1), `grad_scale` (1 / number of micro-batches), `seed` (below 2^24), `micro_batch` (from 0).

    Example: `%lr = train.hyper "lr"`
  }];
  let arguments = (ins StrAttr:$symbol);
  let results = (outs Train_Scalar:$value);
  let assemblyFormat = "$symbol attr-dict";
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Element-wise operations
//===----------------------------------------------------------------------===//

class Train_BinaryOp<string mnemonic, string text, list<Trait> traits = [], TypeConstraint type = Train_Float,
                     string more = "", list<Trait> interfaces = [ScalarExpansion, Differentiable]>
    : Train_PureOp<mnemonic, !listconcat(interfaces, traits)> {
  let summary = text;
  let description = "Operands broadcast as NumPy's do; the result has the broadcast shape." # more #
                    "\n\nExample: `%y = train." # mnemonic # " %a, %b : " #
                    !if(!eq(type, Train_Bool), "tensor<4x8xi1>, tensor<8xi1> -> tensor<4x8xi1>`",
                        "tensor<4x8xf32>, tensor<8xf32> -> tensor<4x8xf32>`");
  let arguments = (ins type:$lhs, type:$rhs);
  let results = (outs type:$output);
  let builders = [OpBuilder<(ins "::mlir::Value":$lhs, "::mlir::Value":$rhs)>];
  let extraClassDefinition = [{
    void $cppClass::build(::mlir::OpBuilder &builder, ::mlir::OperationState &state,
                          ::mlir::Value lhs, ::mlir::Value rhs) {
      build(builder, state, ::fp8c::train::getBroadcastType(lhs.getType(), rhs.getType()), lhs, rhs);
    }
    ::llvm::LogicalResult $cppClass::verify() {
      return ::fp8c::train::verifyElementwise(*this);
    }
  }];
  let hasVerifier = 1;
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` type($lhs) `,` type($rhs) `->` type($output)";
}

/// Of floats, of different types if need be, or of integers of one type.
class Train_ArithmeticOp<string mnemonic, string text, list<Trait> traits = [], string more = "">
    : Train_BinaryOp<mnemonic, text, traits, Train_Number,
                     " Integers, all of one type, are exact modulo 2^bits." # more>;

def Train_AddOp : Train_ArithmeticOp<"add", "Sum", [Commutative]>;
def Train_SubOp : Train_ArithmeticOp<"sub", "Difference">;
def Train_MulOp : Train_ArithmeticOp<"mul", "Product", [Commutative]>;
def Train_DivOp : Train_ArithmeticOp<"div", "Quotient", [],
    " Their quotient is rounded towards zero, as ONNX has it; divided by zero it is 0.">;
def Train_MinimumOp : Train_ArithmeticOp<"minimum", "The smaller of two numbers", [Commutative],
    " NaN if either is NaN. VJP: where both are equal, half of the gradient to each, as PyTorch has it.">;
def Train_MaximumOp : Train_ArithmeticOp<"maximum", "The larger of two numbers", [Commutative],
    " NaN and VJP are as in `train.minimum`.">;
def Train_PowOp : Train_BinaryOp<"pow", "Power: lhs to the rhs, for non-negative lhs or integral rhs">;

class Train_LogicalOp<string mnemonic, string text>
    : Train_BinaryOp<mnemonic, text, [Commutative], Train_Bool, "", [ScalarExpansion]>;

def Train_AndOp : Train_LogicalOp<"and", "Whether both are true"> { let hasFolder = 1; }
def Train_OrOp : Train_LogicalOp<"or", "Whether one of both is true, or both"> { let hasFolder = 1; }
def Train_XorOp : Train_LogicalOp<"xor", "Whether one of both is true, and not both">;

def Train_NotOp : Train_PureOp<"not", [ScalarExpansion, SameOperandsAndResultType]> {
  let summary = "Whether it is false";
  let description = "Example: `%y = train.not %x : tensor<4x8xi1>`";
  let arguments = (ins Train_Bool:$input);
  let results = (outs Train_Bool:$output);
  let assemblyFormat = "$input attr-dict `:` type($input)";
  let hasFolder = 1;
}

def Train_CompareOp : Train_PureOp<"compare", [ScalarExpansion]> {
  let summary = "Compare two elements: eq, ne, lt, le, gt or ge";
  let description = [{
    Operands are floats, or of one type of integers, or booleans (false < true); they broadcast as NumPy's do. Floats compare as IEEE 754 has it:
    with NaN only `ne` is true, so that `ne` of a value and itself tells where it is NaN. No gradient flows through it.

    Example: `%y = train.compare lt %a, %b : tensor<4x8xi64>, tensor<8xi64> -> tensor<4x8xi1>`
  }];
  let arguments = (ins Train_PredicateAttr:$predicate, Train_Any:$lhs, Train_Any:$rhs);
  let results = (outs Train_Bool:$output);
  let builders = [OpBuilder<(ins "::fp8c::train::Predicate":$predicate, "::mlir::Value":$lhs, "::mlir::Value":$rhs)>];
  let assemblyFormat = "$predicate $lhs `,` $rhs attr-dict `:` type($lhs) `,` type($rhs) `->` type($output)";
  let hasVerifier = 1;
}

def Train_ConvertOp : Train_PureOp<"convert", [ScalarExpansion, SameOperandsAndResultShape], [OwnPrecision]> {
  let summary = "Turn numbers or booleans into others of another kind";
  let description = [{
    From floats, i64, i32 or i1 to another of these; between floats there is `train.cast`. A float becomes the integer next to it towards zero; what lies beyond the
    integers becomes the last of them, NaN 0. i64 becomes i32 modulo 2^32. What is not 0 is true, NaN too. An integer becomes the float next to it, in f32 whatever the recipe
    says: bf16 would not tell apart positions above 256. No gradient flows through it.

    Example: `%y = train.convert %x : tensor<4x8xi1> -> tensor<4x8xf32>`
  }];
  let arguments = (ins Train_Any:$input);
  let results = (outs Train_Any:$output);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($output)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

class Train_UnaryOp<string mnemonic, string text, TypeConstraint type = Train_Float, list<Trait> traits = []>
    : Train_PureOp<mnemonic, !listconcat([ScalarExpansion, Differentiable], traits)> {
  let summary = text;
  let description = !if(!eq(type, Train_Number), "Integers are exact modulo 2^bits.\n\n", "") #
                    "Example: `%y = train." # mnemonic # " %x : tensor<4x8xf32> -> tensor<4x8xf32>`";
  let arguments = (ins type:$input);
  let results = (outs type:$output);
  let builders = [OpBuilder<(ins "::mlir::Value":$input), [{
    build($_builder, $_state, input.getType(), input);
  }]>];
  let extraClassDefinition = [{
    ::llvm::LogicalResult $cppClass::verify() { return ::fp8c::train::verifyElementwise(*this); }
  }];
  let hasVerifier = 1;
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($output)";
}

def Train_CastOp : Train_UnaryOp<"cast", "Round to another float type", Train_Float,
                                [DeclareOpInterfaceMethods<ValueRoleOpInterface, ["getMovedOperand"]>]> {
  let hasFolder = 1;
}
def Train_NegOp : Train_UnaryOp<"neg", "Negation", Train_Number>;
def Train_AbsOp : Train_UnaryOp<"abs", "Magnitude", Train_Number>;
def Train_ExpOp : Train_UnaryOp<"exp", "e to the x">;
def Train_LogOp : Train_UnaryOp<"log", "Natural logarithm">;
def Train_SqrtOp : Train_UnaryOp<"sqrt", "Square root">;
def Train_RsqrtOp : Train_UnaryOp<"rsqrt", "Reciprocal square root">;
def Train_ReciprocalOp : Train_UnaryOp<"reciprocal", "1 / x">;
def Train_TanhOp : Train_UnaryOp<"tanh", "Hyperbolic tangent">;
def Train_SigmoidOp : Train_UnaryOp<"sigmoid", "1 / (1 + exp(-x))">;
def Train_ErfOp : Train_UnaryOp<"erf", "Error function">;
def Train_SinOp : Train_UnaryOp<"sin", "Sine">;
def Train_CosOp : Train_UnaryOp<"cos", "Cosine">;
def Train_FloorOp : Train_UnaryOp<"floor", "The integer next to x from below. Its gradient is 0">;
def Train_CeilOp : Train_UnaryOp<"ceil", "The integer next to x from above. Its gradient is 0">;
def Train_RoundOp : Train_UnaryOp<"round", "The integer next to x, of two the even one. Its gradient is 0">;
def Train_SignOp : Train_UnaryOp<"sign", "-1, 0 or 1; 0 for NaN. Its gradient is 0", Train_Number>;
def Train_ReluOp : Train_UnaryOp<"relu", "max(x, 0)">;
def Train_StepOp : Train_UnaryOp<"step", "1 where x > 0, else 0: the derivative of relu">;

def Train_SelectOp : Train_PureOp<"select", [ScalarExpansion, Differentiable]> {
  let summary = "Of two values the first where a condition is true or positive, else the second";
  let description = [{
    The condition is i1 or a float, NaN being no positive one. The values are floats, or of one other type, which is the result's; all broadcast as NumPy's do.
    What is not chosen has no gradient, whatever it is: NaN and infinities do not come through.

    Example: `%y = train.select %c, %a, %b : tensor<4x1xi1>, tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>`
  }];
  let arguments = (ins Train_Condition:$condition, Train_Any:$positive, Train_Any:$otherwise);
  let results = (outs Train_Any:$output);
  let builders = [OpBuilder<(ins "::mlir::Value":$condition, "::mlir::Value":$positive, "::mlir::Value":$otherwise)>];
  let assemblyFormat = "operands attr-dict `:` type(operands) `->` type($output)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Train_GeluOp : Train_PureOp<"gelu", [ScalarExpansion, Differentiable, SameOperandsAndResultShape]> {
  let summary = "Gaussian error linear unit";
  let description = [{
    `x * Phi(x)`, or with `tanh` the approximation
    `0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))` (arXiv 1606.08415, section 2).

    Example: `%y = train.gelu %x {tanh} : tensor<4x8xf32> -> tensor<4x8xf32>`
  }];
  let arguments = (ins Train_Float:$input, UnitAttr:$tanh);
  let results = (outs Train_Float:$output);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($output)";
}

def Train_GeluVJPOp : Train_PureOp<"gelu_vjp", [ScalarExpansion, SameOperandsAndResultShape]> {
  let summary = "Cotangent of gelu's operand: dy * gelu'(x)";
  let description = "Example: `%dx = train.gelu_vjp %x, %dy {tanh} : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>`";
  let arguments = (ins Train_Float:$input, Train_Float:$cotangent, UnitAttr:$tanh);
  let results = (outs Train_Float:$output);
  let assemblyFormat = "$input `,` $cotangent attr-dict `:` type($input) `,` type($cotangent) `->` type($output)";
}

//===----------------------------------------------------------------------===//
// Reductions and normalisations
//===----------------------------------------------------------------------===//

def Train_ReduceSumOp : Train_PureOp<"reduce_sum", [Differentiable]> {
  let summary = "Sum over dimensions";
  let description = [{
    `axes` ascending. The result drops them, or with `keepdims` keeps them with size 1. Sums of integers are exact modulo 2^bits.

    Example: `%s = train.reduce_sum %x axes [0, 1] : tensor<16x128x512xf32> -> tensor<512xf32>`
  }];
  let arguments = (ins Train_Number:$input, DenseI64ArrayAttr:$axes, UnitAttr:$keepdims);
  let results = (outs Train_Number:$output);
  let builders = [OpBuilder<(ins "::mlir::Value":$input, "::llvm::ArrayRef<int64_t>":$axes, CArg<"bool", "false">:$keepdims)>];
  let assemblyFormat = "$input `axes` $axes attr-dict `:` type($input) `->` type($output)";
  let hasVerifier = 1;
}

def Train_ReduceMaxOp : Train_PureOp<"reduce_max", [Differentiable]> {
  let summary = "Maximum over dimensions";
  let description = [{
    As `train.reduce_sum`. VJP: elements that are the maximum share the gradient evenly, as those of `torch.amax`.

    Example: `%m = train.reduce_max %x axes [1] {keepdims} : tensor<4x8xf32> -> tensor<4x1xf32>`
  }];
  let arguments = (ins Train_Number:$input, DenseI64ArrayAttr:$axes, UnitAttr:$keepdims);
  let results = (outs Train_Number:$output);
  let builders = [OpBuilder<(ins "::mlir::Value":$input, "::llvm::ArrayRef<int64_t>":$axes, CArg<"bool", "false">:$keepdims)>];
  let assemblyFormat = "$input `axes` $axes attr-dict `:` type($input) `->` type($output)";
  let hasVerifier = 1;
}

def Train_LayerNormOp : Train_PureOp<"layer_norm", [Differentiable, Decomposable], [OwnPrecision]> {
  let summary = "Layer normalisation over the last dimension";
  let description = [{
    `y = (x - mean) * rstd * weight + bias` with
    `rstd = 1/sqrt(var + epsilon)` and the biased variance (arXiv 1607.06450). `weight` and `bias` have shape [C];
    `mean` and `rstd` are f32 of the input's shape with the last dimension 1.

    Example:
    ```mlir
    %y, %mean, %rstd = train.layer_norm %x, %w, %b {epsilon = 1.0e-5 : f32}
      : tensor<16x128x512xf32>, tensor<512xf32>, tensor<512xf32> -> tensor<16x128x512xf32>, tensor<16x128x1xf32>, tensor<16x128x1xf32>
    ```
  }];
  let arguments = (ins Train_Float:$input, Train_Float:$weight, Train_Float:$bias, F32Attr:$epsilon);
  let results = (outs Train_Float:$output, Train_F32:$mean, Train_F32:$rstd);
  let builders = [OpBuilder<(ins "::mlir::Value":$input, "::mlir::Value":$weight, "::mlir::Value":$bias, "float":$epsilon)>];
  let assemblyFormat = "$input `,` $weight `,` $bias attr-dict `:` type($input) `,` type($weight) `,` type($bias) `->` type(results)";
  let hasVerifier = 1;
}

def Train_LayerNormVJPOp : Train_PureOp<"layer_norm_vjp", [Decomposable]> {
  let summary = "Cotangent of layer_norm's input";
  let description = [{
    With `h = (x - mean) * rstd` and `g = dy * weight`:
    `dx = rstd * (g - avg(g) - h * avg(g * h))`, averages over the last dimension.

    Example:
    ```mlir
    %dx = train.layer_norm_vjp %dy, %x, %w, %mean, %rstd
      : tensor<4x8xf32>, tensor<4x8xf32>, tensor<8xf32>, tensor<4x1xf32>, tensor<4x1xf32> -> tensor<4x8xf32>
    ```
  }];
  let arguments = (ins Train_Float:$cotangent, Train_Float:$input, Train_Float:$weight, Train_F32:$mean, Train_F32:$rstd);
  let results = (outs Train_Float:$output);
  let assemblyFormat = "operands attr-dict `:` type(operands) `->` type(results)";
  let hasVerifier = 1;
}

def Train_LayerNormParamsVJPOp : Train_PureOp<"layer_norm_params_vjp", [ColumnDecomposable]> {
  let summary = "Cotangents of layer_norm's weight and bias";
  let description = [{
    `dweight = sum(dy * (x - mean) * rstd)` and `dbias = sum(dy)` over all dimensions but the last.

    Example:
    ```mlir
    %dw, %db = train.layer_norm_params_vjp %dy, %x, %mean, %rstd
      : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x1xf32>, tensor<4x1xf32> -> tensor<8xf32>, tensor<8xf32>
    ```
  }];
  let arguments = (ins Train_Float:$cotangent, Train_Float:$input, Train_F32:$mean, Train_F32:$rstd);
  let results = (outs Train_Float:$dweight, Train_Float:$dbias);
  let assemblyFormat = "operands attr-dict `:` type(operands) `->` type(results)";
  let hasVerifier = 1;
}

def Train_LayerNormApplyOp : Train_PureOp<"layer_norm_apply", [Decomposable]> {
  let summary = "The output of layer_norm from its statistics";
  let description = [{
    `y = (x - mean) * rstd * weight + bias`, to the bit what `train.layer_norm` gave with them.

    Example:
    ```mlir
    %y = train.layer_norm_apply %x, %w, %b, %mean, %rstd
      : tensor<4x8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<4x1xf32>, tensor<4x1xf32> -> tensor<4x8xf32>
    ```
  }];
  let arguments = (ins Train_Float:$input, Train_Float:$weight, Train_Float:$bias, Train_F32:$mean, Train_F32:$rstd);
  let results = (outs Train_Float:$output);
  let assemblyFormat = "operands attr-dict `:` type(operands) `->` type(results)";
  let hasVerifier = 1;
}

def Train_RMSNormOp : Train_PureOp<"rms_norm", [Differentiable, Decomposable], [OwnPrecision]> {
  let summary = "Root-mean-square normalisation over the last dimension";
  let description = [{
    `y = x * rstd * weight` with `rstd = 1/sqrt(mean(x^2) + epsilon)` (arXiv 1910.07467).
    Shapes as in `train.layer_norm`.

    Example:
    ```mlir
    %y, %rstd = train.rms_norm %x, %w {epsilon = 1.0e-5 : f32} : tensor<4x8xf32>, tensor<8xf32> -> tensor<4x8xf32>, tensor<4x1xf32>
    ```
  }];
  let arguments = (ins Train_Float:$input, Train_Float:$weight, F32Attr:$epsilon);
  let results = (outs Train_Float:$output, Train_F32:$rstd);
  let builders = [OpBuilder<(ins "::mlir::Value":$input, "::mlir::Value":$weight, "float":$epsilon)>];
  let assemblyFormat = "$input `,` $weight attr-dict `:` type($input) `,` type($weight) `->` type(results)";
  let hasVerifier = 1;
}

def Train_RMSNormVJPOp : Train_PureOp<"rms_norm_vjp", [Decomposable]> {
  let summary = "Cotangent of rms_norm's input";
  let description = [{
    With `h = x * rstd` and `g = dy * weight`: `dx = rstd * (g - h * avg(g * h))`.

    Example:
    ```mlir
    %dx = train.rms_norm_vjp %dy, %x, %w, %rstd
      : tensor<4x8xf32>, tensor<4x8xf32>, tensor<8xf32>, tensor<4x1xf32> -> tensor<4x8xf32>
    ```
  }];
  let arguments = (ins Train_Float:$cotangent, Train_Float:$input, Train_Float:$weight, Train_F32:$rstd);
  let results = (outs Train_Float:$output);
  let assemblyFormat = "operands attr-dict `:` type(operands) `->` type(results)";
  let hasVerifier = 1;
}

def Train_RMSNormParamsVJPOp : Train_PureOp<"rms_norm_params_vjp", [ColumnDecomposable]> {
  let summary = "Cotangent of rms_norm's weight";
  let description = [{
    `dweight = sum(dy * x * rstd)` over all dimensions but the last.

    Example:
    ```mlir
    %dw = train.rms_norm_params_vjp %dy, %x, %rstd : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x1xf32> -> tensor<8xf32>
    ```
  }];
  let arguments = (ins Train_Float:$cotangent, Train_Float:$input, Train_F32:$rstd);
  let results = (outs Train_Float:$dweight);
  let assemblyFormat = "operands attr-dict `:` type(operands) `->` type(results)";
  let hasVerifier = 1;
}

def Train_RMSNormApplyOp : Train_PureOp<"rms_norm_apply", [Decomposable]> {
  let summary = "The output of rms_norm from its statistic";
  let description = [{
    `y = x * rstd * weight`, to the bit what `train.rms_norm` gave with it.

    Example:
    ```mlir
    %y = train.rms_norm_apply %x, %w, %rstd : tensor<4x8xf32>, tensor<8xf32>, tensor<4x1xf32> -> tensor<4x8xf32>
    ```
  }];
  let arguments = (ins Train_Float:$input, Train_Float:$weight, Train_F32:$rstd);
  let results = (outs Train_Float:$output);
  let assemblyFormat = "operands attr-dict `:` type(operands) `->` type(results)";
  let hasVerifier = 1;
}

def Train_SoftmaxOp : Train_PureOp<"softmax", [Differentiable, Decomposable, SameOperandsAndResultShape]> {
  let summary = "Softmax over the last dimension";
  let description = [{
    `y = exp(x - max(x)) / sum(exp(x - max(x)))`, in f32.

    Example: `%y = train.softmax %x : tensor<4x8xf32> -> tensor<4x8xf32>`
  }];
  let arguments = (ins Train_Float:$input);
  let results = (outs Train_Float:$output);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($output)";
  let hasVerifier = 1;
}

def Train_LogSoftmaxOp : Train_PureOp<"log_softmax", [Differentiable, Decomposable, SameOperandsAndResultShape]> {
  let summary = "Logarithm of the softmax over the last dimension";
  let description = [{
    With `z = x - max(x)`: `y = z - log(sum(exp(z)))`, in f32. VJP: `dx = dy - exp(y) * sum(dy)`.

    Example: `%y = train.log_softmax %x : tensor<4x8xf32> -> tensor<4x8xf32>`
  }];
  let arguments = (ins Train_Float:$input);
  let results = (outs Train_Float:$output);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($output)";
  let hasVerifier = 1;
}

def Train_SoftmaxVJPOp : Train_PureOp<"softmax_vjp", [Decomposable, SameOperandsAndResultShape]> {
  let summary = "Cotangent of softmax's operand: y * (dy - sum(dy * y))";
  let description = "Example: `%dx = train.softmax_vjp %dy, %y : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>`";
  let arguments = (ins Train_Float:$cotangent, Train_Float:$softmax);
  let results = (outs Train_Float:$output);
  let assemblyFormat = "operands attr-dict `:` type(operands) `->` type(results)";
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Contractions
//===----------------------------------------------------------------------===//

def Train_MatmulOp : Train_PureOp<"matmul", [Differentiable,
    DeclareOpInterfaceMethods<FP8ContractionOpInterface, ["getContractionBatchRank", "canBePadded"]>]> {
  let summary = "Contract two tensors, accumulating in f32";
  let description = [{
    Sums products over the contracted dimensions, which must stand together at the start
    or the end of each operand. The result's dimensions are the leading
    `batch` ones of both operands, then the free ones of `lhs`, then those of `rhs`. By default
    the last of `lhs` is contracted with the one before the last of `rhs`.

    Example:
    ```mlir
    %y = train.matmul %x, %w : tensor<16x128x768xf32>, tensor<768x3072xf32> -> tensor<16x128x3072xf32>
    %dw = train.matmul %x, %dy contracting [0, 1] x [0, 1]
       : tensor<16x128x768xf32>, tensor<16x128x3072xf32> -> tensor<768x3072xf32>
    ```
  }];
  let arguments = (ins Train_Float:$lhs, Train_Float:$rhs,
                       OptionalAttr<DenseI64ArrayAttr>:$lhs_contracting,
                       OptionalAttr<DenseI64ArrayAttr>:$rhs_contracting,
                       DefaultValuedAttr<I64Attr, "0">:$batch);
  let results = (outs Train_Float:$output);
  let builders = [
    OpBuilder<(ins "::mlir::Value":$lhs, "::mlir::Value":$rhs, "::llvm::ArrayRef<int64_t>":$lhsContracting,
                   "::llvm::ArrayRef<int64_t>":$rhsContracting, CArg<"int64_t", "0">:$batch)>
  ];
  let assemblyFormat = [{
    $lhs `,` $rhs (`contracting` $lhs_contracting^ `x` $rhs_contracting)? attr-dict
    `:` type($lhs) `,` type($rhs) `->` type($output)
  }];
  let hasVerifier = 1;
  let hasCanonicalizer = 1;
}

//===----------------------------------------------------------------------===//
// Shape operations
//===----------------------------------------------------------------------===//

class Train_ShapeOp<string mnemonic, list<Trait> traits = []>
    : Train_PureOp<mnemonic, !listconcat([Differentiable], traits), [OwnPrecision]>;

def Train_ReshapeOp : Train_ShapeOp<"reshape"> {
  let summary = "The same elements in row-major order, with another shape";
  let description = "Example: `%y = train.reshape %x : tensor<4x8xf32> -> tensor<32xf32>`";
  let arguments = (ins Train_Any:$input);
  let results = (outs Train_Any:$output);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($output)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Train_TransposeOp : Train_ShapeOp<"transpose"> {
  let summary = "Permute dimensions: result dimension i is operand dimension permutation[i]";
  let description = "Example: `%y = train.transpose %x [1, 0] : tensor<4x8xf32> -> tensor<8x4xf32>`";
  let arguments = (ins Train_Any:$input, DenseI64ArrayAttr:$permutation);
  let results = (outs Train_Any:$output);
  let builders = [OpBuilder<(ins "::mlir::Value":$input, "::llvm::ArrayRef<int64_t>":$permutation)>];
  let assemblyFormat = "$input $permutation attr-dict `:` type($input) `->` type($output)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Train_BroadcastToOp : Train_ShapeOp<"broadcast_to"> {
  let summary = "Repeat along dimensions of size 1 and new leading dimensions (ONNX Expand)";
  let description = "Example: `%y = train.broadcast_to %x : tensor<4x1xf32> -> tensor<2x4x8xf32>`";
  let arguments = (ins Train_Any:$input);
  let results = (outs Train_Any:$output);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($output)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Train_SliceOp : Train_ShapeOp<"slice"> {
  let summary = "A box of a tensor";
  let description = [{
    `output[i] = input[offsets + i * strides]`; its size is the result's shape. Strides are positive.

    Example: `%y = train.slice %x at [0, 4] by [1, 2] : tensor<4x8xf32> -> tensor<4x2xf32>`
  }];
  let arguments = (ins Train_Any:$input, DenseI64ArrayAttr:$offsets, DenseI64ArrayAttr:$strides);
  let results = (outs Train_Any:$output);
  let assemblyFormat = "$input `at` $offsets `by` $strides attr-dict `:` type($input) `->` type($output)";
  let hasVerifier = 1;
}

def Train_PlaceOp : Train_ShapeOp<"place"> {
  let summary = "A tensor of zeros with a box of it given: the VJP of slice";
  let description = [{
    `output[offsets + i * strides] = input[i]`, the rest is 0.

    Example: `%y = train.place %x at [0, 4] by [1, 2] : tensor<4x2xf32> -> tensor<4x8xf32>`
  }];
  let arguments = (ins Train_Any:$input, DenseI64ArrayAttr:$offsets, DenseI64ArrayAttr:$strides);
  let results = (outs Train_Any:$output);
  let assemblyFormat = "$input `at` $offsets `by` $strides attr-dict `:` type($input) `->` type($output)";
  let hasVerifier = 1;
}

def Train_SplitOp : Train_ShapeOp<"split"> {
  let summary = "Cut a tensor along a dimension into consecutive parts";
  let description = "Example: `%a, %b = train.split %x axis 1 : tensor<4x8xf32> -> tensor<4x2xf32>, tensor<4x6xf32>`";
  let arguments = (ins Train_Any:$input, I64Attr:$axis);
  let results = (outs Variadic<Train_Any>:$parts);
  let assemblyFormat = "$input `axis` $axis attr-dict `:` type($input) `->` type($parts)";
  let hasVerifier = 1;
}

def Train_ConcatOp : Train_ShapeOp<"concat"> {
  let summary = "Join tensors along a dimension";
  let description = "Example: `%x = train.concat %a, %b axis 1 : tensor<4x2xf32>, tensor<4x6xf32> -> tensor<4x8xf32>`";
  let arguments = (ins Variadic<Train_Any>:$parts, I64Attr:$axis);
  let results = (outs Train_Any:$output);
  let assemblyFormat = "$parts `axis` $axis attr-dict `:` type($parts) `->` type($output)";
  let hasVerifier = 1;
}

def Train_BarrierOp : Train_PureOp<"barrier", [AllTypesMatch<["input", "output"]>], [OwnPrecision]> {
  let summary = "The same value, whose users nothing merges with the users of the operand";
  let description = [{
    What backward computes anew starts from barriers, so that neither CSE nor
    canonicalization finds it equal to what forward computed. It has no folder
    for this reason, and becomes nothing in exec. Where it stands says from
    when on the users compute: no pass moves ops upwards.

    Example: `%y = train.barrier %x : tensor<4x8xf32>`
  }];
  let arguments = (ins Train_Any:$input);
  let results = (outs Train_Any:$output);
  let assemblyFormat = "$input attr-dict `:` type($input)";
}

//===----------------------------------------------------------------------===//
// Attention, embedding, loss
//===----------------------------------------------------------------------===//

/// How scores become probabilities, and where queries and keys have their heads.
defvar Train_AttentionNumbers = (ins I64Attr:$heads, I64Attr:$kv_heads, F32Attr:$scale, UnitAttr:$causal,
                                     OptionalAttr<I64Attr>:$window, OptionalAttr<F32Attr>:$softcap);

def Train_AttentionOp : Train_PureOp<"attention", [Differentiable, AttrSizedOperandSegments], [OwnPrecision]> {
  let summary = "Scaled dot-product attention with grouped heads";
  let description = [{
    `output = softmax(cap(scale * q k^T) + bias) v` per head (arXiv 1706.03762, section 3.2.1). q is
    [B, T, heads*D], k [B, S, kv_heads*D], v [B, S, kv_heads*Dv]; query head h attends to key head
    `h / (heads / kv_heads)`. `lse` [B, heads, T] in f32 is the log of the softmax's sum.

    - `softcap`: `cap(x) = softcap * tanh(x / softcap)` (Gemma 2, arXiv 2408.00118, section 2), else `cap(x) = x`.
    - `bias` f32, [B, heads, T, S] or 1 in any of these dimensions: slopes (ALiBi, arXiv 2108.12409), tables of relative positions (T5, arXiv 1910.10683),
      masks; it has a gradient. The lowest f32 is not added: -3.4e38 takes the score's place, and no gradient flows to that.
    - With `causal` position t sees the keys 0..t, with `window` of them only the last `window`, t's own among them (arXiv 2004.05150, section 3.1).
    - `lengths` i64 [B]: of sequence b the first `lengths[b]` keys are seen.

    A query that sees no key, or only keys whose bias is -inf, gets 0, and no gradient flows through it.

    Example:
    ```mlir
    %o, %lse = train.attention %q, %k, %v {heads = 4, kv_heads = 4, scale = 1.767767e-01 : f32, causal}
      : tensor<16x128x128xf32>, tensor<16x128x128xf32>, tensor<16x128x128xf32> -> tensor<16x128x128xf32>, tensor<16x4x128xf32>
    %p, %lse2 = train.attention %q, %k, %v bias %slopes lengths %n {heads = 4, kv_heads = 4, scale = 1.767767e-01 : f32}
      : tensor<16x128x128xf32>, tensor<16x128x128xf32>, tensor<16x128x128xf32> bias tensor<1x4x1x128xf32> lengths tensor<16xi64>
      -> tensor<16x128x128xf32>, tensor<16x4x128xf32>
    ```
  }];
  let arguments = !con((ins Train_Float:$query, Train_Float:$key, Train_Float:$value, Optional<Train_F32>:$bias, Optional<Train_Ids>:$lengths),
                       Train_AttentionNumbers);
  let results = (outs Train_Float:$output, Train_F32:$lse);
  let assemblyFormat = [{
    $query `,` $key `,` $value (`bias` $bias^)? (`lengths` $lengths^)? attr-dict
    `:` type($query) `,` type($key) `,` type($value) (`bias` type($bias)^)? (`lengths` type($lengths)^)? `->` type(results)
  }];
  let hasVerifier = 1;
}

def Train_AttentionVJPOp : Train_PureOp<"attention_vjp", [AttrSizedOperandSegments], [OwnPrecision]> {
  let summary = "Cotangents of attention's operands";
  let description = [{
    Recomputes the probabilities from `lse` block by block (arXiv 2205.14135, appendix B.2): with `x = scale * q k^T`,
    `P = exp(cap(x) + bias - lse)` and `S = P * (do v^T - rowsum(do * output))`,
    `dq = scale * (S * cap'(x)) k`, `dk = scale * (S * cap'(x))^T q`, `dv = P^T do`, `dbias = S`, summed where `bias` broadcasts.
    Query heads that share a key head add up. `dbias` is a result only where it is asked for.

    Example:
    ```mlir
    %dq, %dk, %dv = train.attention_vjp %do, %q, %k, %v, %o, %lse {heads = 2, kv_heads = 1, scale = 0.5 : f32, causal}
      : tensor<1x4x8xf32>, tensor<1x4x8xf32>, tensor<1x4x4xf32>, tensor<1x4x4xf32>, tensor<1x4x8xf32>, tensor<1x2x4xf32>
      -> tensor<1x4x8xf32>, tensor<1x4x4xf32>, tensor<1x4x4xf32>
    ```
  }];
  let arguments = !con((ins Train_Float:$cotangent, Train_Float:$query, Train_Float:$key, Train_Float:$value,
                            Train_Float:$output, Train_F32:$lse, Optional<Train_F32>:$bias, Optional<Train_Ids>:$lengths),
                       Train_AttentionNumbers);
  let results = (outs Train_Float:$dquery, Train_Float:$dkey, Train_Float:$dvalue, Optional<Train_F32>:$dbias);
  let assemblyFormat = [{
    $cotangent `,` $query `,` $key `,` $value `,` $output `,` $lse (`bias` $bias^)? (`lengths` $lengths^)? attr-dict
    `:` type($cotangent) `,` type($query) `,` type($key) `,` type($value) `,` type($output) `,` type($lse)
    (`bias` type($bias)^)? (`lengths` type($lengths)^)? `->` type(results)
  }];
  let hasVerifier = 1;
}

def Train_RotaryOp : Train_PureOp<"rotary", [Differentiable]> {
  let summary = "Rotary position embedding";
  let description = [{
    Rotates pairs of each head's first `rotary_dim` elements by the angle whose cosine and sine are given (arXiv 2104.09864).
    x is [B, T, heads*D]; cos and sin are f32 [T, rotary_dim/2] or [B, T, rotary_dim/2]. Pairs are (i, i + rotary_dim/2), or
    with `interleaved` (2i, 2i+1). `inverse` rotates back: the VJP.

    Example:
    ```mlir
    %y = train.rotary %x, %cos, %sin {heads = 2, rotary_dim = 4}
      : tensor<1x3x8xf32>, tensor<3x2xf32>, tensor<3x2xf32> -> tensor<1x3x8xf32>
    ```
  }];
  let arguments = (ins Train_Float:$input, Train_F32:$cos, Train_F32:$sin, I64Attr:$heads, I64Attr:$rotary_dim,
                       UnitAttr:$interleaved, UnitAttr:$inverse);
  let results = (outs Train_Float:$output);
  let assemblyFormat = "operands attr-dict `:` type(operands) `->` type(results)";
  let hasVerifier = 1;
}

def Train_EmbeddingOp : Train_PureOp<"embedding", [Differentiable]> {
  let summary = "Rows of a table (ONNX Gather on axis 0)";
  let description = [{
    table [V, C], ids of any shape S: the result is [S, C]. Ids go from -V to V - 1, those below zero count from the end.

    Example: `%y = train.embedding %table, %ids : tensor<50x8xf32>, tensor<2x4xi64> -> tensor<2x4x8xf32>`
  }];
  let arguments = (ins Train_Float:$table, Train_Ids:$ids);
  let results = (outs Train_Float:$output);
  let assemblyFormat = "operands attr-dict `:` type(operands) `->` type(results)";
  let hasVerifier = 1;
}

def Train_EmbeddingVJPOp : Train_PureOp<"embedding_vjp", [], [OwnPrecision]> {
  let summary = "Cotangent of embedding's table: sums of rows with equal ids";
  let description = "In f32: a frequent id has many terms.\n\nExample: `%dtable = train.embedding_vjp %dy, %ids : tensor<2x4x8xf32>, tensor<2x4xi64> -> tensor<50x8xf32>`";
  let arguments = (ins Train_Float:$cotangent, Train_Ids:$ids);
  let results = (outs Train_Float:$dtable);
  let assemblyFormat = "operands attr-dict `:` type(operands) `->` type(results)";
  let hasVerifier = 1;
}

def Train_GatherElementsOp : Train_PureOp<"gather_elements", [Differentiable], [OwnPrecision]> {
  let summary = "Of every row the elements with given numbers (ONNX GatherElements on the last axis)";
  let description = [{
    data [..., N], indices [..., M]: `output[..., j] = data[..., indices[..., j]]`, of indices' shape. Indices below zero count from the end. One that names no element,
    beyond -N to N - 1, gives NaN, which no gradient flows from. VJP: `train.gather_elements_vjp`.

    Example: `%y = train.gather_elements %x, %i : tensor<4x8xf32>, tensor<4x1xi64> -> tensor<4x1xf32>`
  }];
  let arguments = (ins Train_Float:$data, Train_Ids:$indices);
  let results = (outs Train_Float:$output);
  let builders = [OpBuilder<(ins "::mlir::Value":$data, "::mlir::Value":$indices)>];
  let assemblyFormat = "operands attr-dict `:` type(operands) `->` type(results)";
  let hasVerifier = 1;
}

def Train_GatherElementsVJPOp : Train_PureOp<"gather_elements_vjp", [], [OwnPrecision]> {
  let summary = "Cotangent of gather_elements' data: sums of elements with equal indices, in order, in f32";
  let description = [{
    `ddata[..., i]` is the sum of `cotangent[..., j]` over j with `indices[..., j] = i`.

    Example: `%dx = train.gather_elements_vjp %dy, %i : tensor<4x1xf32>, tensor<4x1xi64> -> tensor<4x8xf32>`
  }];
  let arguments = (ins Train_Float:$cotangent, Train_Ids:$indices);
  let results = (outs Train_Float:$ddata);
  let assemblyFormat = "operands attr-dict `:` type(operands) `->` type(results)";
  let hasVerifier = 1;
}

def Train_CrossEntropyOp : Train_PureOp<"cross_entropy", [Differentiable], [OwnPrecision]> {
  let summary = "Mean of -log softmax(logits)[label] over the labels that count";
  let description = [{
    logits [S, V], labels of shape S. Labels that are `ignore_index` or negative do not
    count. `lse`, the log of the softmax's sum, is f32 of shape S; `inv_count` is
    1 / number of labels that count (0 if none). With `classes` only so many of the V are classes, and the rest is padding.

    Example:
    ```mlir
    %loss, %lse, %inv_count = train.cross_entropy %logits, %labels
      : tensor<2x4x50xf32>, tensor<2x4xi64> -> tensor<f32>, tensor<2x4xf32>, tensor<f32>
    ```
  }];
  let arguments = (ins Train_Float:$logits, Train_Ids:$labels, DefaultValuedAttr<I64Attr, "-100">:$ignore_index,
                       OptionalAttr<I64Attr>:$classes);
  let results = (outs Train_Scalar:$loss, Train_F32:$lse, Train_Scalar:$inv_count);
  let builders = [OpBuilder<(ins "::mlir::Value":$logits, "::mlir::Value":$labels, CArg<"int64_t", "-100">:$ignoreIndex)>];
  let assemblyFormat = "operands attr-dict `:` type(operands) `->` type(results)";
  let hasVerifier = 1;
}

def Train_CrossEntropyVJPOp : Train_PureOp<"cross_entropy_vjp"> {
  let summary = "Cotangent of cross_entropy's logits";
  let description = [{
    `dloss * inv_count * (exp(logits - lse) - onehot(label))`, zero for labels that do not count and for padding.

    Example:
    ```mlir
    %dlogits = train.cross_entropy_vjp %dloss, %logits, %labels, %lse, %inv_count
      : tensor<f32>, tensor<2x4x50xf32>, tensor<2x4xi64>, tensor<2x4xf32>, tensor<f32> -> tensor<2x4x50xf32>
    ```
  }];
  let arguments = (ins Train_Scalar:$cotangent, Train_Float:$logits, Train_Ids:$labels, Train_F32:$lse,
                       Train_Scalar:$inv_count, DefaultValuedAttr<I64Attr, "-100">:$ignore_index,
                       OptionalAttr<I64Attr>:$classes);
  let results = (outs Train_Float:$dlogits);
  let assemblyFormat = "operands attr-dict `:` type(operands) `->` type(results)";
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Optimizer
//===----------------------------------------------------------------------===//

def Train_SumSquaresOp : Train_PureOp<"sum_squares", [], [OwnPrecision]> {
  let summary = "Sum of the squares of all elements";
  let description = "Of a scaled tensor those of its values.\n\nExample: `%s = train.sum_squares %g : tensor<4x8xf32> -> tensor<f32>`";
  let arguments = (ins AnyTypeOf<[Train_Float, FP8_ScaledType]>:$input);
  let results = (outs Train_Scalar:$output);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($output)";
}

def Train_ClipCoefficientOp : Train_PureOp<"clip_coefficient", [], [OwnPrecision]> {
  let summary = "Global norm of all gradients and the factor that clips it";
  let description = [{
    `norm = sqrt(sum(sums))`, `coefficient = min(1, max_norm / norm)`; 1 if `max_norm` is
    0, and -1, which `train.adamw` takes as "skip this step", if the norm is not finite (arXiv 1211.5063).

    Example: `%c, %norm = train.clip_coefficient %max of %s0, %s1 : tensor<f32>, tensor<f32>, tensor<f32> -> tensor<f32>, tensor<f32>`
  }];
  let arguments = (ins Train_Scalar:$max_norm, Variadic<Train_Scalar>:$sums);
  let results = (outs Train_Scalar:$coefficient, Train_Scalar:$norm);
  let assemblyFormat = "$max_norm `of` $sums attr-dict `:` type($max_norm) `,` type($sums) `->` type(results)";
}

def Train_AdamWOp : Train_PureOp<"adamw", [Decomposable]> {
  let summary = "One AdamW update of one parameter";
  let description = [{
    With `g = coefficient * gradient` (arXiv 1711.05101, algorithm 2):
    `m' = beta1 m + (1 - beta1) g`, `v' = beta2 v + (1 - beta2) g^2`,
    `p' = p - lr * (m'/(1 - beta1^step) / (sqrt(v'/(1 - beta2^step)) + eps) + decay * p)`, where decay is `weight_decay` with the attribute
    `decay`, else 0. A negative coefficient leaves all three as they are. With `bound` the quotient is limited to
    magnitudes up to it, and `clamps` counts where that changed it.

    Example:
    ```mlir
    %p1, %m1, %v1 = train.adamw %p, %g, %m, %v (%c, %lr, %beta1, %beta2, %eps, %decay, %step) {decay}
      : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>, tensor<f32>, tensor<f32>, tensor<f32>,
        tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32> -> tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>
    ```
  }];
  let arguments = (ins Train_Float:$parameter, Train_Float:$gradient, Train_Float:$moment1, Train_Float:$moment2,
                       Train_Scalar:$coefficient, Train_Scalar:$lr, Train_Scalar:$beta1, Train_Scalar:$beta2,
                       Train_Scalar:$eps, Train_Scalar:$weight_decay, Train_Scalar:$step, Optional<Train_Scalar>:$bound,
                       UnitAttr:$decay);
  let results = (outs Train_Float:$new_parameter, Train_Float:$new_moment1, Train_Float:$new_moment2,
                      Optional<FP8_StatsType>:$clamps);
  let assemblyFormat = [{
    $parameter `,` $gradient `,` $moment1 `,` $moment2
    `(` $coefficient `,` $lr `,` $beta1 `,` $beta2 `,` $eps `,` $weight_decay `,` $step (`,` `bound` $bound^)? `)` attr-dict
    `:` type(operands) `->` type(results)
  }];
  let hasVerifier = 1;
}

def Train_UpdateScalesOp : Train_Op<"update_scales", [Pure, AttrSizedOperandSegments,
    DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Scales for what the optimizer is about to write, from bounds";
  let description = [{
    One scale per name in `variables`, `max(format) / bound` floored to a power of two, where `bound` is the most that the
    variable's magnitudes can be after AdamW. With `a` the amax of its last write, `g` the largest magnitude of its gradient
    times the clip coefficient:

    | role of the variable | bound |
    |---|---|
    | parameter, compute_weight | `|1 - lr * decay| * a + lr * R` |
    | moment1 | `beta1 * a + (1 - beta1) * g` |
    | moment2 | `beta2 * a + (1 - beta2) * g^2`; of its square root (`sqrt`) the root of that |

    `R` bounds Adam's quotient `m'/(1 - beta1^t) / sqrt(v'/(1 - beta2^t))`, by the Cauchy-Schwarz inequality
    `(1 - beta1)/(1 - beta1^t) * sqrt((1 - beta2^t)/(1 - beta2) * (1 - r^t)/(1 - r))` with `r = beta1^2/beta2`, times 1.25 for the rounding of the moments;
    it is the result `bound`, which `train.adamw` enforces.

    `amaxes` are statistics of the last writes, `gradients` scaled tensors, whose scale bounds them, or amaxes; for a parameter,
    whose bound needs none, its own amax. If the coefficient is negative
    the step is skipped and all scales stay. `key` is a hash of `seed` and `step`, below 2^24, for stochastic rounding.

    Example:
    ```mlir
    %bound, %key, %s:2 = train.update_scales (%c, %lr, %beta1, %beta2, %weight_decay, %step, %seed)
      amaxes (%pa, %ma) gradients (%g, %g : !fp8.scaled<4x8xf8E4M3FN>, !fp8.scaled<4x8xf8E4M3FN>)
      {variables = [@w, @w.m], decays = array<i1: true, false>, roots = array<i1: false, false>} -> !fp8.scale<f16>, !fp8.scale<f8E4M3FN>
    ```
  }];
  let arguments = (ins Train_Scalar:$coefficient, Train_Scalar:$lr, Train_Scalar:$beta1, Train_Scalar:$beta2,
                       Train_Scalar:$weight_decay, Train_Scalar:$step, Train_Scalar:$seed,
                       Variadic<FP8_StatsType>:$amaxes, Variadic<AnyType>:$gradients,
                       ArrayAttr:$variables, DenseBoolArrayAttr:$decays, DenseBoolArrayAttr:$roots);
  let results = (outs Train_Scalar:$bound, Train_Scalar:$key, Variadic<FP8_ScaleType>:$scales);
  let assemblyFormat = [{
    `(` $coefficient `,` $lr `,` $beta1 `,` $beta2 `,` $weight_decay `,` $step `,` $seed `)`
    `amaxes` `(` $amaxes `)` `gradients` `(` $gradients `:` type($gradients) `)` attr-dict `->` type($scales)
  }];
}

def Train_StoredScaleOp : Train_PureOp<"stored_scale", [DeclareOpInterfaceMethods<SymbolUserOpInterface>], []> {
  let summary = "The scale that a scaled variable was last quantised with";
  let description = "Example: `%s = train.stored_scale @\"h.0/mlp/fc.weight.e4m3\" : !fp8.scale<f8E4M3FN>`";
  let arguments = (ins FlatSymbolRefAttr:$variable);
  let results = (outs FP8_ScaleType:$scale);
  let assemblyFormat = "$variable attr-dict `:` qualified(type($scale))";
}

//===----------------------------------------------------------------------===//
// Fusions
//===----------------------------------------------------------------------===//

def Train_FusionOp : Train_PureOp<"fusion", [IsolatedFromAbove, SingleBlock], []> {
  let summary = "Ops that become one kernel";
  let description = [{
    The body is a tensor-level graph whose arguments are the operands and whose
    `train.yield` gives the results, each computed inside and yielded once. Each value is rounded to its type inside the kernel as it would be
    outside: fusing never changes a bit.

    `skeleton` says how the kernel runs over its domain, the largest shape inside:

    | skeleton | may hold | reads | yields |
    |---|---|---|---|
    | `map` | element-wise ops | whole tensors, scalars | whole tensors |
    | `rows` | and reductions of the last dimension that keep it, `train.partial_sum`, `fp8.transpose` of what it quantises | and values per row or column | and one value per row |
    | `columns` | element-wise ops and sums over leading dimensions | as `rows`, if the sums leave the last dimension alone | the sums |
    | `sum` | element-wise ops and a `train.sum_squares` | whole tensors, scalars | that sum |

    Besides element-wise ops of this dialect these are `fp8.quantize`, `fp8.dequantize`, `fp8.amax` and `fp8.clamp` with one scale per tensor.
    The discardable attribute `result_names`, where there is one, has a string per result.

    Example:
    ```mlir
    %y = train.fusion rows(%a = %x : tensor<4x8xf32>, %b = %w : tensor<8xf32>) -> tensor<4x8xf32> {
      %0 = train.add %a, %b : tensor<4x8xf32>, tensor<8xf32> -> tensor<4x8xf32>
      %1 = train.gelu %0 {tanh} : tensor<4x8xf32> -> tensor<4x8xf32>
      train.yield %1 : tensor<4x8xf32>
    }
    ```
  }];
  let arguments = (ins Variadic<AnyType>:$inputs, Train_SkeletonAttr:$skeleton);
  let results = (outs Variadic<AnyType>:$outputs);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    /// What the kernel runs over: the largest shape of its values.
    ::llvm::ArrayRef<int64_t> getDomain();
  }];
}

def Train_PartialSumOp : Train_PureOp<"partial_sum", [], []> {
  let summary = "Sums over every `block_rows` consecutive rows";
  let description = [{
    Of an input [S, C], seen as rows of C elements, the sums over rows 0 to `block_rows` - 1, and so on: f32 [ceil(rows / `block_rows`), C]. The
    sum over its rows is then that of all rows. Stands in fusions of skeleton `rows` only, put there by `train-form-fusions`.

    Example: `%0 = train.partial_sum %x {block_rows = 32} : tensor<4x64x16xbf16> -> tensor<8x16xf32>`
  }];
  let arguments = (ins Train_Float:$input, ConfinedAttr<I64Attr, [IntPositive]>:$block_rows);
  let results = (outs Train_F32:$output);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($output)";
  let hasVerifier = 1;
}

def Train_YieldOp : Train_PureOp<"yield", [Terminator, HasParent<"FusionOp">], []> {
  let summary = "The results of a fusion";
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "attr-dict ($values^ `:` type($values))?";
}

#endif // TRAIN_IR_TRAINOPS_TD
