//===- FP8Ops.td - Operations of the fp8 dialect --------------------------===//

#ifndef FP8_IR_FP8OPS_TD
#define FP8_IR_FP8OPS_TD

include "FP8/IR/FP8Attrs.td"
include "FP8/IR/FP8Interfaces.td"
include "FP8/IR/FP8Types.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def FP8_Tensor : StaticShapeTensorOf<[F32, BF16, F16]>;
/// A scalar f32 tensor: being buildable, it is never spelled out.
def FP8_Scalar : Type<0DTensorOf<[F32]>.predicate, "scalar f32 tensor", "::mlir::RankedTensorType">,
                 BuildableType<"::mlir::RankedTensorType::get({}, $_builder.getF32Type())">;

class FP8_Op<string mnemonic, list<Trait> traits = []>
    : Op<FP8_Dialect, mnemonic, !listconcat([Pure], traits)>;

def FP8_AmaxOp : FP8_Op<"amax"> {
  let summary = "The largest finite magnitude of a tensor";
  let description = [{
    `amax = max |x_i|` over the finite elements; 0 if there is none. Shape: any;
    the result is a scalar f32 tensor.

    Example: `%a = fp8.amax %x : tensor<128x768xbf16>`
  }];
  let arguments = (ins FP8_Tensor:$input);
  let results = (outs FP8_Scalar:$amax);
  let builders = [OpBuilder<(ins "::mlir::Value":$input)>];
  let assemblyFormat = "$input attr-dict `:` qualified(type($input))";
}

def FP8_ComputeScaleOp : FP8_Op<"compute_scale"> {
  let summary = "Current scaling: the scale that an amax calls for";
  let description = [{
    `scale = max(format) * 2^-margin / amax`, floored to a power of two if
    `pow2`; 1 if the amax is 0 or not finite. With `poison` the scale is NaN, and with it
    everything that it quantises, if the tensor has values that are not finite: of a gradient they must not
    be lost in saturation. `bounded` says that a bound on the values would do as well as their amax.

    Example: `%s = fp8.compute_scale %a {pow2} : !fp8.scale<f8E4M3FN>`
  }];
  let arguments = (ins FP8_Scalar:$amax,
                       DefaultValuedAttr<I64Attr, "0">:$margin, UnitAttr:$pow2,
                       UnitAttr:$poison, UnitAttr:$bounded);
  let results = (outs FP8_ScaleType:$scale);
  let builders = [OpBuilder<(ins "::mlir::Value":$amax, "::mlir::FloatType":$format,
                                 CArg<"int64_t", "0">:$margin, CArg<"bool", "false">:$pow2,
                                 CArg<"bool", "false">:$poison, CArg<"bool", "false">:$bounded)>];
  let hasVerifier = 1;
  let assemblyFormat = "$amax attr-dict `:` qualified(type($scale))";
}

/// The scale of a value's format.
class ScaleOf<string value, string type>
    : TypesMatchWith<"the scale was made for the format of " # value, value, "scale",
                     "ScaleType::get(::llvm::cast<" # type # ">($_self).getStorage())">;

def FP8_CurrentScaleOp : FP8_Op<"current_scale", [ScaleOf<"state", "ScaleStateType">]> {
  let summary = "Delayed scaling: the scale that a site's history calls for";
  let description = [{
    Example: `%s = fp8.current_scale %st : !fp8.scale_state<f8E4M3FN, 16>`
  }];
  let arguments = (ins FP8_ScaleStateType:$state);
  let results = (outs FP8_ScaleType:$scale);
  let builders = [OpBuilder<(ins "::mlir::Value":$state)>];
  let assemblyFormat = "$state attr-dict `:` qualified(type($state))";
}

def FP8_QuantizeOp : FP8_Op<"quantize", [ScaleOf<"output", "ScaledType">]> {
  let summary = "Scale, round to nearest even, saturate";
  let description = [{
    `data = saturate(round(x * scale))`; NaN stays NaN. The result has the
    input's shape and the scale's format. The statistics are of the input before scaling: its amax, how
    many values saturated, how many were infinite or NaN.

    With `stochastic` a value is rounded up with the probability of its distance from the value below: added to the remainder is
    a hash of `key` (an integer below 2^24, from `train.update_scales`), the element's index and the attribute, which tells
    the quantisations of one kernel apart.

    Example:
    ```mlir
    %q, %k = fp8.quantize %x, %s : tensor<128x768xbf16> -> !fp8.scaled<128x768xf8E4M3FN>
    ```
  }];
  let arguments = (ins FP8_Tensor:$input, FP8_ScaleType:$scale, Optional<FP8_Scalar>:$key,
                       OptionalAttr<I64Attr>:$stochastic);
  let results = (outs FP8_ScaledType:$output, FP8_StatsType:$stats);
  let builders = [OpBuilder<(ins "::mlir::Value":$input, "::mlir::Value":$scale, "::mlir::FloatType":$format)>];
  let assemblyFormat = [{
    $input `,` $scale (`key` $key^)? attr-dict `:` qualified(type($input)) `->` qualified(type($output))
  }];
  let hasVerifier = 1;
}

def FP8_QuantizeTilesOp : FP8_Op<"quantize_tiles"> {
  let summary = "Quantise every tile with the scale of its own amax";
  let description = [{
    Per tile of the result's type `scale = max(format) * 2^-margin / amax`, floored to a power of two if `pow2`, 1 if the amax is 0; then
    `data = saturate(round(x * scale))`. The amax is of the tile's finite elements; infinities saturate, NaN stays NaN.

    Tiles as training uses them are a row along the contracted dimensions ("row-wise" scaling), 128 elements of one, or 128 x 128 elements
    (the scheme of DeepSeek-V3, arXiv 2412.19437, section 3.3.2). `contracting` names the dimensions that products with the result sum over, the first or
    the last ones; square tiles serve either, and need not say.

    Example:
    ```mlir
    %q = fp8.quantize_tiles %x contracting [2] {pow2} : tensor<8x1024x768xbf16> -> !fp8.scaled<8x1024x768xf8E4M3FN, tile<[1, 1, 128]>>
    ```
  }];
  let arguments = (ins FP8_Tensor:$input, OptionalAttr<DenseI64ArrayAttr>:$contracting,
                       DefaultValuedAttr<I64Attr, "0">:$margin, UnitAttr:$pow2);
  let results = (outs FP8_ScaledType:$output);
  let assemblyFormat = [{
    $input (`contracting` $contracting^)? attr-dict `:` qualified(type($input)) `->` qualified(type($output))
  }];
  let hasVerifier = 1;
}

def FP8_ClampOp : FP8_Op<"clamp", [AllTypesMatch<["input", "output"]>]> {
  let summary = "Limit magnitudes, and count how many were beyond the limit";
  let description = [{
    `output = max(-limit, min(x, limit))` in f32; NaN stays NaN. The statistics are of the input: its amax, how many
    values were beyond the limit, how many were infinite or NaN.

    Example: `%y, %k = fp8.clamp %x, %limit : tensor<128x768xf32>`
  }];
  let arguments = (ins FP8_Tensor:$input, FP8_Scalar:$limit);
  let results = (outs FP8_Tensor:$output, FP8_StatsType:$stats);
  let builders = [OpBuilder<(ins "::mlir::Value":$input, "::mlir::Value":$limit), [{
    build($_builder, $_state, input.getType(), StatsType::get($_builder.getContext()), input, limit);
  }]>];
  let assemblyFormat = "$input `,` $limit attr-dict `:` qualified(type($input))";
}

def FP8_DequantizeOp : FP8_Op<"dequantize", [DeclareOpInterfaceMethods<ValueRoleOpInterface, ["getMovedOperand"]>]> {
  let summary = "The values of a scaled tensor in a higher precision";
  let description = [{
    `x = data * scale_inv`, in f32, rounded to the result's type.

    Example: `%x = fp8.dequantize %q : !fp8.scaled<128x768xf8E4M3FN> -> tensor<128x768xbf16>`
  }];
  let arguments = (ins FP8_ScaledType:$input);
  let results = (outs FP8_Tensor:$output);
  let assemblyFormat = "$input attr-dict `:` qualified(type($input)) `->` qualified(type($output))";
  let hasVerifier = 1;
}

def FP8_TransposeOp : FP8_Op<"transpose"> {
  let summary = "Permute the dimensions of a scaled tensor; the scales move along";
  let description = [{
    Example: `%t = fp8.transpose %q [1, 0] : !fp8.scaled<128x768xf8E4M3FN> -> !fp8.scaled<768x128xf8E4M3FN>`
  }];
  let arguments = (ins FP8_ScaledType:$input, DenseI64ArrayAttr:$permutation);
  let results = (outs FP8_ScaledType:$output);
  let assemblyFormat = "$input $permutation attr-dict `:` qualified(type($input)) `->` qualified(type($output))";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def FP8_ConcatOp : FP8_Op<"concat"> {
  let summary = "Join scaled tensors of one scale along a dimension";
  let description = [{
    The parts were quantised with one scale, which the result has too: one per tensor.

    Example: `%x = fp8.concat %a, %b axis 1 : !fp8.scaled<4x16xf8E5M2>, !fp8.scaled<4x32xf8E5M2> -> !fp8.scaled<4x48xf8E5M2>`
  }];
  let arguments = (ins Variadic<FP8_ScaledType>:$parts, I64Attr:$axis);
  let results = (outs FP8_ScaledType:$output);
  let assemblyFormat = "$parts `axis` $axis attr-dict `:` qualified(type($parts)) `->` qualified(type($output))";
  let hasVerifier = 1;
}

def FP8_MatmulOp : FP8_Op<"matmul", [DeclareOpInterfaceMethods<FP8ContractionOpInterface, ["getContractionBatchRank"]>]> {
  let summary = "Contract two scaled tensors, accumulating in f32";
  let description = [{
    `y = scale_inv_lhs * scale_inv_rhs * sum(lhs * rhs)` over the contracted
    dimensions, rounded to the result's type; with tiles the scales are those of each element's tile, inside the sum. Which dimensions are contracted is
    said as in `train.matmul`; the default is the last of `lhs` with the one
    before the last of `rhs`. The first `batch` dimensions are not contracted, and both operands and the result have them. `fast_accum` lets the hardware
    accumulate in fewer than 32 bits.

    Example:
    ```mlir
    %y = fp8.matmul %x, %w {fast_accum}
       : !fp8.scaled<8192x768xf8E4M3FN>, !fp8.scaled<768x3072xf8E4M3FN> -> tensor<8192x3072xbf16>
    %dw = fp8.matmul %x, %dy contracting [0] x [0]
       : !fp8.scaled<8192x768xf8E4M3FN>, !fp8.scaled<8192x3072xf8E5M2> -> tensor<768x3072xf32>
    %e = fp8.matmul %x, %w batch 1
       : !fp8.scaled<8x1024x768xf8E4M3FN>, !fp8.scaled<8x768x3072xf8E4M3FN> -> tensor<8x1024x3072xbf16>
    ```
  }];
  let arguments = (ins FP8_ScaledType:$lhs, FP8_ScaledType:$rhs,
                       OptionalAttr<DenseI64ArrayAttr>:$lhs_contracting,
                       OptionalAttr<DenseI64ArrayAttr>:$rhs_contracting,
                       DefaultValuedAttr<I64Attr, "0">:$batch_rank, UnitAttr:$fast_accum);
  let results = (outs FP8_Tensor:$output);
  let builders = [
    OpBuilder<(ins "::mlir::Type":$type, "::mlir::Value":$lhs, "::mlir::Value":$rhs,
                   "::llvm::ArrayRef<int64_t>":$lhsContracting, "::llvm::ArrayRef<int64_t>":$rhsContracting,
                   "bool":$fastAccum, CArg<"int64_t", "0">:$batchRank)>
  ];
  let assemblyFormat = [{
    $lhs `,` $rhs (`batch` $batch_rank^)? (`contracting` $lhs_contracting^ `x` $rhs_contracting)? attr-dict
    `:` qualified(type($lhs)) `,` qualified(type($rhs)) `->` qualified(type($output))
  }];
  let hasVerifier = 1;
}

def FP8_InitialStateOp : FP8_Op<"initial_state"> {
  let summary = "A site's state before its first step";
  let description = [{
    Scale and inverse are 1, nothing is recorded, and the window has no amaxes. For states that are values; those that live
    in variables begin so by themselves.

    Example: `%s = fp8.initial_state : !fp8.scale_state<f8E4M3FN, 16>`
  }];
  let results = (outs FP8_ScaleStateType:$state);
  let assemblyFormat = "attr-dict `:` qualified(type($state))";
}

def FP8_RecordOp : FP8_Op<"record", [AllTypesMatch<["state", "output"]>]> {
  let summary = "Add one quantisation's statistics to a site's state";
  let description = [{
    Maximum of the amaxes, sums of the counts. The scale does not change.

    Example: `%s1 = fp8.record %s0, %k : !fp8.scale_state<f8E4M3FN, 16>`
  }];
  let arguments = (ins FP8_ScaleStateType:$state, FP8_StatsType:$stats);
  let results = (outs FP8_ScaleStateType:$output);
  let builders = [OpBuilder<(ins "::mlir::Value":$state, "::mlir::Value":$stats), [{
    build($_builder, $_state, state.getType(), state, stats);
  }]>];
  let assemblyFormat = "$state `,` $stats attr-dict `:` qualified(type($state))";
}

def FP8_AgreeOp : FP8_Op<"agree", [AllTypesMatch<["statistics", "outputs"]>]> {
  let summary = "Let all processes of an axis see the same statistics";
  let description = [{
    An amax, and what a site recorded since its last `advance`, become the maximum of the amaxes and the sum of the counts over the processes
    along `axes`, so that `compute_scale` and `advance` make the same scale in each. One exchange for all.

    Example: `%a:2 = fp8.agree %amax, %s over ["dp"] : tensor<f32>, !fp8.scale_state<f8E5M2, 16>`
  }];
  let arguments = (ins Variadic<AnyTypeOf<[FP8_Scalar, FP8_ScaleStateType]>>:$statistics, StrArrayAttr:$axes);
  let results = (outs Variadic<AnyTypeOf<[FP8_Scalar, FP8_ScaleStateType]>>:$outputs);
  let assemblyFormat = "$statistics `over` $axes attr-dict `:` qualified(type($statistics))";
}

def FP8_AllReduceOp : FP8_Op<"all_reduce", []> {
  let summary = "Sum scaled tensors over the processes along axes of the grid";
  let description = [{
    Every process has an operand by the same scale. Codes travel; each element's are summed in f32, in the order of ranks, and the sum is rounded once. The
    result's scale is the operand's times 2^-k, 2^k being the least power of two that is not below the number of summands: no sum saturates. NaN stays NaN. Several tensors
    travel in one exchange. Parts are summed as `train.all_reduce` does.

    With `native` the library that joins processes sums the codes, which NCCL does in a ring: each process adds its own to what the one before has sent, and
    the sum is rounded, and clamped at the format's largest value, at every hop. The result has the operand's scale, which `fp8.scale_by` has made small enough.

    Example: `%h:2 = fp8.all_reduce %q, %r over ["dp"] : !fp8.scaled<128x512xf8E4M3FN>, !fp8.scaled<512x128xf8E4M3FN>`
  }];
  let arguments = (ins Variadic<FP8_ScaledType>:$inputs, StrArrayAttr:$axes, UnitAttr:$native);
  let results = (outs Variadic<FP8_ScaledType>:$outputs);
  let hasVerifier = 1;
  let assemblyFormat = "$inputs `over` $axes (`native` $native^)? attr-dict `:` custom<JoinedTypes>(type($inputs), type($outputs))";
}

def FP8_AllGatherOp : FP8_Op<"all_gather"> {
  let summary = "Scaled tensors of the processes along axes of the grid, one after the other";
  let description = [{
    As `train.all_gather`. Codes travel: every process has an operand by the same scale, which the result keeps.

    Example: `%w = fp8.all_gather %q over ["dp"] : !fp8.scaled<64x512xf8E4M3FN> -> !fp8.scaled<128x512xf8E4M3FN>`
  }];
  let arguments = (ins Variadic<FP8_ScaledType>:$inputs, StrArrayAttr:$axes);
  let results = (outs Variadic<FP8_ScaledType>:$outputs);
  let hasVerifier = 1;
  let assemblyFormat = "$inputs `over` $axes attr-dict `:` custom<JoinedTypes>(type($inputs), type($outputs))";
}

def FP8_ReduceScatterOp : FP8_Op<"reduce_scatter"> {
  let summary = "Sum of scaled tensors over the processes along axes of the grid, of which each gets its share";
  let description = [{
    Shares as of `train.reduce_scatter`, sums and scales as of `fp8.all_reduce`.

    Example: `%h = fp8.reduce_scatter %q over ["dp"] : !fp8.scaled<128x512xf8E4M3FN> -> !fp8.scaled<64x512xf8E4M3FN>`
  }];
  let arguments = (ins Variadic<FP8_ScaledType>:$inputs, StrArrayAttr:$axes);
  let results = (outs Variadic<FP8_ScaledType>:$outputs);
  let hasVerifier = 1;
  let assemblyFormat = "$inputs `over` $axes attr-dict `:` custom<JoinedTypes>(type($inputs), type($outputs))";
}

def FP8_AllToAllOp : FP8_Op<"all_to_all", [AllTypesMatch<["inputs", "outputs"]>]> {
  let summary = "To each process along axes of the grid its share of every other's scaled tensor";
  let description = [{
    As `train.all_to_all`. Codes travel: every process has an operand by the same scale, which the result keeps.

    Example: `%y = fp8.all_to_all %q over ["dp"] : !fp8.scaled<128x512xf8E4M3FN>`
  }];
  let arguments = (ins Variadic<FP8_ScaledType>:$inputs, StrArrayAttr:$axes);
  let results = (outs Variadic<FP8_ScaledType>:$outputs);
  let hasVerifier = 1;
  let assemblyFormat = "$inputs `over` $axes attr-dict `:` qualified(type($inputs))";
}

def FP8_ScaleByOp : FP8_Op<"scale_by", [AllTypesMatch<["scales", "outputs"]>, SameVariadicOperandSize]> {
  let summary = "Scales times factors";
  let description = [{
    Automatic scaling of gradients that are summed in FP8, after FP8-LM (arXiv 2310.18313, section 2.1): a factor mu of at most 1 makes room for the sum.

    Example: `%t = fp8.scale_by %s by %mu : !fp8.scale<f8E4M3FN>`
  }];
  let arguments = (ins Variadic<FP8_ScaleType>:$scales, Variadic<FP8_Scalar>:$factors);
  let results = (outs Variadic<FP8_ScaleType>:$outputs);
  let assemblyFormat = "$scales `by` $factors attr-dict `:` qualified(type($scales))";
}

def FP8_AdjustMuOp : FP8_Op<"adjust_mu", [AllTypesMatch<["mus", "outputs"]>, SameVariadicOperandSize]> {
  let summary = "The factors that the next sums call for";
  let description = [{
    For every sum, which all processes along `axes` have: mu is halved if more than 0.001 % of its elements stand at the largest value of their format; else it becomes
    2^(1/1000) times as large, at most 1. After FP8-LM (arXiv 2310.18313, section 2.1).

    Example: `%n = fp8.adjust_mu %mu by %h over ["dp"] : tensor<f32> by !fp8.scaled<128x512xf8E4M3FN>`
  }];
  let arguments = (ins Variadic<0DTensorOf<[F32]>>:$mus, Variadic<FP8_ScaledType>:$sums, StrArrayAttr:$axes);
  let results = (outs Variadic<0DTensorOf<[F32]>>:$outputs);
  let assemblyFormat = "$mus `by` $sums `over` $axes attr-dict `:` type($mus) `by` qualified(type($sums))";
}

def FP8_AdvanceOp : FP8_Op<"advance", [AllTypesMatch<["state", "output"]>]> {
  let summary = "Close a step: push the recorded amax, make the next scale";
  let description = [{
    The amax recorded since the last `advance` enters the window (if anything was
    recorded), the scale becomes `max * 2^-margin / max(window)`, and the
    recorded statistics are cleared. An unusable amax keeps the previous scale.
    Delayed scaling after NVIDIA's Transformer Engine; window and history as in
    FP8-LM (arXiv 2310.18313, section 3).

    Example: `%s1 = fp8.advance %s0 : !fp8.scale_state<f8E4M3FN, 16>`
  }];
  let arguments = (ins FP8_ScaleStateType:$state,
                       DefaultValuedAttr<I64Attr, "0">:$margin, UnitAttr:$pow2);
  let results = (outs FP8_ScaleStateType:$output);
  let builders = [OpBuilder<(ins "::mlir::Value":$state, CArg<"int64_t", "0">:$margin,
                                 CArg<"bool", "false">:$pow2), [{
    build($_builder, $_state, state.getType(), state, margin, pow2);
  }]>];
  let hasVerifier = 1;
  let assemblyFormat = "$state attr-dict `:` qualified(type($state))";
}

#endif // FP8_IR_FP8OPS_TD
