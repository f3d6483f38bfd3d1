//===- ExecLibraryOps.td - Calls of the kernel library --------------------===//
//
// One op per function of runtime/kernels, of the same name, but for a few that
// lib/Target/Source prints as others. Shapes are those of the buffers;
// attributes say what shapes cannot. See docs/adding-a-call.md.
//
//===----------------------------------------------------------------------===//

#ifndef EXEC_IR_EXECLIBRARYOPS_TD
#define EXEC_IR_EXECLIBRARYOPS_TD

include "Exec/IR/ExecDialect.td"
include "Exec/IR/ExecInterfaces.td"
include "Exec/IR/ExecTypes.td"
include "FP8/IR/FP8Attrs.td"
include "Train/IR/TrainAttrs.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

/// A call of the library: buffers that it reads, then buffers that it writes.
class Exec_LibraryOp<string mnemonic, list<string> overrides = [], list<Trait> traits = []>
    : Op<Exec_Dialect, mnemonic, !listconcat([DeclareOpInterfaceMethods<Exec_WorkOpInterface, overrides>], traits)> {
  let hasVerifier = 1;
}

// Where sums go: added to what is there, or only from the second micro-batch of
// a step on, while the first overwrites it (see Fp8cCall).
defvar Exec_Accumulation = (ins UnitAttr:$accumulate, UnitAttr:$unless_first);

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

def Exec_GemmOp : Exec_LibraryOp<"gemm", ["getCost"], [AttrSizedOperandSegments]> {
  let summary = "Matrix product";
  let description = [{
    Per batch entry `c[m, n] (+)= scale_inv_a * scale_inv_b * sum_k a[m, k] * b[k, n]`, row-major. `transpose_a`: a is stored [k, m];
    `transpose_b`: b is stored [n, k]. `accumulate` adds to c, with
    `unless_first` only from the second micro-batch of a step on (see Fp8cCall), while the first one overwrites c. The scale operands stand for FP8 operands only: pairs
    (scale, inverse), or with a granularity (`row`, `1x128` or `128x128`) the inverses of all tiles as `kernels/common/tiles.h` lays them out; the inverses are then inside the sum.
    `workspace` holds f32 copies where the target's library multiplies f32 only. `bias` [n], of c's type, is added to every row, before c is rounded.

    Example:
    ```mlir
    exec.gemm %x, %w into %y {m = 2048, n = 512, k = 128} : memref<16x128x128xf32>, memref<128x512xf32>, memref<16x128x512xf32>
    ```
  }];
  let arguments = !con((ins Exec_In<>:$a, Exec_In<>:$b, Exec_InOut<>:$c,
                       Exec_In<Optional<Exec_F32Buffer>>:$scale_a, Exec_In<Optional<Exec_F32Buffer>>:$scale_b,
                       Exec_InOut<Optional<Exec_F32Buffer>>:$workspace, Exec_In<Optional<Exec_FloatBuffer>>:$bias, I64Attr:$m, I64Attr:$n, I64Attr:$k, DefaultValuedAttr<I64Attr, "1">:$batch,
                       UnitAttr:$transpose_a, UnitAttr:$transpose_b, UnitAttr:$fast_accum,
                       OptionalAttr<FP8_GranularityAttr>:$granularity_a, OptionalAttr<FP8_GranularityAttr>:$granularity_b), Exec_Accumulation);
  let assemblyFormat = [{
    $a `,` $b `into` $c (`scales` $scale_a^ `,` $scale_b)? (`workspace` $workspace^)? (`bias` $bias^)? attr-dict
    `:` type($a) `,` type($b) `,` type($c) (`scales` type($scale_a)^ `,` type($scale_b))? (`workspace` type($workspace)^)?
    (`bias` type($bias)^)?
  }];
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

defvar Exec_AttentionNumbers = (ins I64Attr:$heads, I64Attr:$kv_heads, F32Attr:$scale, UnitAttr:$causal,
                                   OptionalAttr<I64Attr>:$window, OptionalAttr<F32Attr>:$softcap);

def Exec_AttentionOp : Exec_LibraryOp<"attention", ["getCost"], [AttrSizedOperandSegments]> {
  let summary = "Scaled dot-product attention";
  let description = [{
    `o = softmax(scale * q k^T) v` per sequence and head, and `lse`, the logarithm of the softmax's denominator. `q` [batch, seq, heads * head_dim], `k` and `v`
    [batch, kv_seq, kv_heads * head_dim], the last one's heads may have a width of their own; `o` like `q` with v's heads, `lse` [batch, heads, seq] in f32.
    Queries, keys, values and results may be parts of wider tensors: rows at one stride. What `bias` [batch, heads, seq, kv_seq] (1 where it broadcasts),
    `lengths` [batch], `causal`, `window` and `softcap` do to the scores is as in [`train.attention`](dialect-train.md).

    Example: `exec.attention %q, %k, %v into %o, %lse {heads = 4, kv_heads = 4, scale = 0.125 : f32, causal} : …`
  }];
  let arguments = !con((ins Exec_In<Exec_FloatBuffer>:$q, Exec_In<Exec_FloatBuffer>:$k, Exec_In<Exec_FloatBuffer>:$v,
                        Exec_In<Optional<Exec_F32Buffer>>:$bias, Exec_In<Optional<Exec_IdBuffer>>:$lengths,
                        Exec_Out<Exec_FloatBuffer>:$o, Exec_Out<Exec_F32Buffer>:$lse), Exec_AttentionNumbers);
  let assemblyFormat = [{
    $q `,` $k `,` $v (`bias` $bias^)? (`lengths` $lengths^)? `into` $o `,` $lse attr-dict
    `:` type($q) `,` type($k) `,` type($v) (`bias` type($bias)^)? (`lengths` type($lengths)^)? `,` type($o) `,` type($lse)
  }];
}

def Exec_AttentionBackwardOp : Exec_LibraryOp<"attention_backward", ["getCost", "getSharedWorkspaceBytes"], [AttrSizedOperandSegments]> {
  let summary = "Gradients of attention";
  let description = [{
    `workspace`, where the target's library needs one (`exec-plan-workspace`), is for one of `parts` equal parts of the batch, which are done one after another.
    Shapes as in `exec.attention`; `d_o`, `o` and `lse` are dense. `d_bias` is like `bias`, summed where it broadcasts.
  }];
  let arguments = !con((ins Exec_In<Exec_FloatBuffer>:$d_o, Exec_In<Exec_FloatBuffer>:$q, Exec_In<Exec_FloatBuffer>:$k,
                        Exec_In<Exec_FloatBuffer>:$v, Exec_In<Exec_FloatBuffer>:$o, Exec_In<Exec_F32Buffer>:$lse,
                        Exec_In<Optional<Exec_F32Buffer>>:$bias, Exec_In<Optional<Exec_IdBuffer>>:$lengths,
                        Exec_Out<Exec_FloatBuffer>:$d_q, Exec_Out<Exec_FloatBuffer>:$d_k, Exec_Out<Exec_FloatBuffer>:$d_v,
                        Exec_Out<Optional<Exec_F32Buffer>>:$d_bias,
                        Exec_InOut<Optional<Exec_ByteBuffer>>:$workspace), Exec_AttentionNumbers,
                       (ins DefaultValuedAttr<I64Attr, "1">:$parts));
  let assemblyFormat = [{
    $d_o `,` $q `,` $k `,` $v `,` $o `,` $lse (`bias` $bias^)? (`lengths` $lengths^)?
    `into` $d_q `,` $d_k `,` $d_v (`d_bias` $d_bias^)? (`workspace` $workspace^)? attr-dict
    `:` type($d_o) `,` type($q) `,` type($k) `,` type($v) `,` type($o) `,` type($lse) (`bias` type($bias)^)? (`lengths` type($lengths)^)?
    `into` type($d_q) `,` type($d_k) `,` type($d_v) (`d_bias` type($d_bias)^)? (`workspace` type($workspace)^)?
  }];
}

def Exec_RotaryOp : Exec_LibraryOp<"rotary", ["mayOverwrite"]> {
  let summary = "Rotary position embedding";
  let description = [{
    Turns pairs of the first `rotary_dim` elements of every head by the angles whose cosines and sines are [seq, rotary_dim / 2] or [batch, seq, rotary_dim / 2];
    `interleaved` pairs neighbours, otherwise halves; `inverse` turns back. `x` and `y` [batch, seq, heads * head_dim]; they may be the same buffer.
  }];
  let arguments = (ins Exec_In<Exec_FloatBuffer>:$x, Exec_In<Exec_F32Buffer>:$cos, Exec_In<Exec_F32Buffer>:$sin,
                       Exec_Out<Exec_FloatBuffer>:$y, I64Attr:$heads, I64Attr:$rotary_dim, UnitAttr:$interleaved,
                       UnitAttr:$inverse);
  let assemblyFormat = "$x `,` $cos `,` $sin `into` $y attr-dict `:` type(operands)";
}

//===----------------------------------------------------------------------===//
// Tables
//===----------------------------------------------------------------------===//

def Exec_EmbeddingOp : Exec_LibraryOp<"embedding", ["getCost"]> {
  let summary = "Rows of a table by their ids";
  let description = [{
    `table` [rows, width], `ids` of any shape, `output` ids' shape x width, of any float type.

    Example: `exec.embedding %wte, %tokens into %0 : memref<512x128xf32>, memref<4x64xi64>, memref<4x64x128xf32>`
  }];
  let arguments = (ins Exec_In<Exec_FloatBuffer>:$table, Exec_In<Exec_IdBuffer>:$ids, Exec_Out<Exec_FloatBuffer>:$output);
  let assemblyFormat = "$table `,` $ids `into` $output attr-dict `:` type(operands)";
}

def Exec_EmbeddingBackwardOp : Exec_LibraryOp<"embedding_backward", ["getCost", "getSharedWorkspaceBytes"]> {
  let summary = "Gradient of a table: sums of the rows of a cotangent by their ids";
  let description = "Sums in the order of the positions, whatever the target. Shapes as in `exec.embedding`.";
  let arguments = !con((ins Exec_In<Exec_IdBuffer>:$ids, Exec_In<Exec_FloatBuffer>:$cotangent,
                        Exec_InOut<Exec_FloatBuffer>:$d_table), Exec_Accumulation);
  let assemblyFormat = "$ids `,` $cotangent `into` $d_table attr-dict `:` type(operands)";
}

class Exec_GatherOp<string mnemonic> : Exec_LibraryOp<mnemonic> {
  let arguments = (ins Exec_In<Exec_FloatBuffer>:$source, Exec_In<Exec_IdBuffer>:$indices, Exec_Out<Exec_FloatBuffer>:$target);
  let assemblyFormat = "$source `,` $indices `into` $target attr-dict `:` type(operands)";
}

def Exec_GatherElementsOp : Exec_GatherOp<"gather_elements"> {
  let summary = "Elements of each row by their indices";
  let description = "`source` [rows, width], `indices` and `target` [rows, count]: `target[i, j] = source[i, indices[i, j]]`.";
}
def Exec_GatherElementsBackwardOp : Exec_GatherOp<"gather_elements_backward"> {
  let summary = "Gradient of `exec.gather_elements`";
  let description = "`source` and `indices` [rows, count], `target` [rows, width], which holds zeros where no index points.";
}

//===----------------------------------------------------------------------===//
// Integers
//===----------------------------------------------------------------------===//

class Exec_ReduceRowsOp<string mnemonic> : Exec_LibraryOp<mnemonic> {
  let description = "`source` [rows, cols] of integers, `target` [rows] of the same type.";
  let arguments = (ins Exec_In<Exec_IntegerBuffer>:$source, Exec_Out<Exec_IntegerBuffer>:$target);
  let assemblyFormat = "$source `into` $target attr-dict `:` type(operands)";
}
def Exec_SumRowsOp : Exec_ReduceRowsOp<"sum_rows"> {
  let summary = "Sum of each row of integers";
}
def Exec_MaxRowsOp : Exec_ReduceRowsOp<"max_rows"> {
  let summary = "Largest of each row of integers";
}

//===----------------------------------------------------------------------===//
// Losses
//===----------------------------------------------------------------------===//

// Labels that are negative or `ignore_index` do not count. Of rows that are
// wider only the first `classes` columns are classes; the rest is padding.
defvar Exec_Classes = (ins DefaultValuedAttr<I64Attr, "-100">:$ignore_index, OptionalAttr<I64Attr>:$classes);

def Exec_CountLabelsOp : Exec_LibraryOp<"count_labels"> {
  let summary = "How many labels count: those that are neither negative nor `ignore_index`";
  let arguments = (ins Exec_In<Exec_IdBuffer>:$labels, Exec_Out<Exec_Count>:$count,
                       DefaultValuedAttr<I64Attr, "-100">:$ignore_index);
  let assemblyFormat = "$labels `into` $count attr-dict `:` type(operands)";
}

def Exec_MeanLossOp : Exec_LibraryOp<"mean_loss"> {
  let summary = "Sum of the losses of rows, divided by the count of labels";
  let arguments = (ins Exec_In<Exec_F32Buffer>:$row_losses, Exec_In<Exec_Count>:$count, Exec_Out<Exec_Scalar32>:$loss);
  let assemblyFormat = "$row_losses `,` $count `into` $loss attr-dict `:` type(operands)";
}

def Exec_CrossEntropyOp : Exec_LibraryOp<"cross_entropy"> {
  let summary = "Mean cross entropy of rows of logits, and what its gradient needs";
  let description = [{
    `logits` [rows, width], `labels` [rows], `lse` [rows]: the logarithm of each row's sum of exponentials; `inv_count`: one over the number of labels that count.
    Labels that are negative or `ignore_index` do not. Where rows are wider than `classes`, the rest is padding.
  }];
  let arguments = !con((ins Exec_In<Exec_FloatBuffer>:$logits, Exec_In<Exec_IdBuffer>:$labels, Exec_Out<Exec_Scalar32>:$loss,
                        Exec_Out<Exec_F32Buffer>:$lse, Exec_Out<Exec_Scalar32>:$inv_count), Exec_Classes);
  let assemblyFormat = "$logits `,` $labels `into` $loss `,` $lse `,` $inv_count attr-dict `:` type(operands)";
}

def Exec_CrossEntropyBackwardOp : Exec_LibraryOp<"cross_entropy_backward", ["mayOverwrite"]> {
  let summary = "Gradient of cross entropy: (softmax - one hot) * inv_count * cotangent";
  let description = "Shapes as in `exec.cross_entropy`; `d_logits` may be `logits`.";
  let arguments = !con((ins Exec_In<Exec_FloatBuffer>:$logits, Exec_In<Exec_IdBuffer>:$labels, Exec_In<Exec_F32Buffer>:$lse,
                        Exec_In<Exec_Scalar32>:$inv_count, Exec_In<Exec_Scalar32>:$cotangent,
                        Exec_Out<Exec_FloatBuffer>:$d_logits), Exec_Classes);
  let assemblyFormat = [{
    $logits `,` $labels `,` $lse `,` $inv_count `,` $cotangent `into` $d_logits attr-dict `:` type(operands)
  }];
}

def Exec_CrossEntropyRowsOp : Exec_LibraryOp<"cross_entropy_rows", ["isRowByRow"]> {
  let summary = "Cross entropy of each row; 0 where the label does not count";
  let description = "`row_losses` [rows]; shapes as in `exec.cross_entropy`.";
  let arguments = !con((ins Exec_In<Exec_FloatBuffer>:$logits, Exec_In<Exec_IdBuffer>:$labels,
                        Exec_Out<Exec_F32Buffer>:$row_losses), Exec_Classes);
  let assemblyFormat = "$logits `,` $labels `into` $row_losses attr-dict `:` type(operands)";
}

def Exec_CrossEntropyFusedOp : Exec_LibraryOp<"cross_entropy_fused", ["isRowByRow"]> {
  let summary = "Cross entropy of each row and its gradient, in one pass over the logits";
  let description = [{
    As `exec.cross_entropy_rows`, and `d_logits = (softmax - one hot) * cotangent / count`, which may be `logits`.
  }];
  let arguments = !con((ins Exec_In<Exec_FloatBuffer>:$logits, Exec_In<Exec_IdBuffer>:$labels, Exec_In<Exec_Count>:$count,
                        Exec_In<Exec_Scalar32>:$cotangent, Exec_Out<Exec_F32Buffer>:$row_losses,
                        Exec_Out<Exec_FloatBuffer>:$d_logits), Exec_Classes);
  let assemblyFormat = [{
    $logits `,` $labels `,` $count `,` $cotangent `into` $row_losses `,` $d_logits attr-dict `:` type(operands)
  }];
}

//===----------------------------------------------------------------------===//
// Gradients
//===----------------------------------------------------------------------===//

def Exec_AccumulateOp : Exec_LibraryOp<"accumulate"> {
  let summary = "Add to a gradient, or overwrite it";
  let description = "Without `accumulate`, and with `unless_first` in the first micro-batch of a step, `target` is overwritten.";
  let arguments = !con((ins Exec_In<Exec_FloatBuffer>:$source, Exec_InOut<Exec_FloatBuffer>:$target), Exec_Accumulation);
  let assemblyFormat = "$source `into` $target attr-dict `:` type(operands)";
}

def Exec_ClearIfFirstOp : Exec_LibraryOp<"clear_if_first"> {
  let summary = "Set a gradient to 0 in the first micro-batch of a step";
  let arguments = (ins Exec_InOut<Exec_FloatBuffer>:$target);
  let assemblyFormat = "$target attr-dict `:` type(operands)";
}

def Exec_ClipCoefficientOp : Exec_LibraryOp<"clip_coefficient"> {
  let summary = "What gradients are multiplied with so that their norm is at most `max_norm`";
  let description = [{
    `norm` is the root of the sum of `sums`; `coefficient` is as `train.clip_coefficient` says: -1 where the norm is not finite.
  }];
  let arguments = (ins Exec_In<Exec_Scalar32>:$max_norm, Exec_In<Variadic<Exec_Scalar32>>:$sums,
                       Exec_Out<Exec_Scalar32>:$coefficient, Exec_Out<Exec_Scalar32>:$norm);
  let assemblyFormat = [{
    $max_norm `of` $sums `into` $coefficient `,` $norm attr-dict `:` type($max_norm) `of` type($sums) `into` type($coefficient) `,` type($norm)
  }];
}

//===----------------------------------------------------------------------===//
// Scales
//===----------------------------------------------------------------------===//

def Exec_ComputeScaleOp : Exec_LibraryOp<"compute_scale", [], [SameVariadicOperandSize]> {
  let summary = "Scales that amaxes call for";
  let description = [{
    For every pair `scale = max(format) * 2^-margin / amax`, as `fp8.compute_scale` says, and its inverse.

    Example: `exec.compute_scale %k into %pair {format = f8E4M3FN} : memref<3xui32> into memref<5xf32>`
  }];
  let arguments = (ins Exec_In<Variadic<Exec_StatsBuffer>>:$amaxes, Exec_Out<Variadic<Exec_ScalePair>>:$pairs,
                       TypeAttrOf<AnyFloat>:$format, DefaultValuedAttr<I64Attr, "0">:$margin, UnitAttr:$pow2, UnitAttr:$poison);
  let assemblyFormat = "$amaxes `into` $pairs attr-dict `:` type($amaxes) `into` type($pairs)";
}

def Exec_QuantizeTilesOp : Exec_LibraryOp<"quantize_tiles"> {
  let summary = "Quantise every tile with the scale of its own amax";
  let description = [{
    `input`, seen as a matrix `rows x cols`, in tiles of `tile_rows x tile_cols`, as `fp8.quantize_tiles` says. `scale_inv` has one inverse per tile, as
    `kernels/common/tiles.h` lays them out. `transposed`: the codes are stored [cols, rows].
  }];
  let arguments = (ins Exec_In<Exec_FloatBuffer>:$input, Exec_Out<Exec_CodeBuffer>:$codes, Exec_Out<Exec_F32Buffer>:$scale_inv,
                       I64Attr:$rows, I64Attr:$cols, I64Attr:$tile_rows, I64Attr:$tile_cols,
                       DefaultValuedAttr<I64Attr, "0">:$margin, UnitAttr:$pow2, UnitAttr:$transposed);
  let assemblyFormat = "$input `into` $codes `,` $scale_inv attr-dict `:` type(operands)";
}

def Exec_RecordStatsOp : Exec_LibraryOp<"record_stats"> {
  let summary = "Add one quantisation's statistics to a site's state";
  let arguments = (ins Exec_In<Exec_StatsBuffer>:$stats, Exec_InOut<Exec_ScaleState>:$state);
  let assemblyFormat = "$stats `into` $state attr-dict `:` type(operands)";
  let hasVerifier = 0; // the types say it all
}

def Exec_AdvanceScaleOp : Exec_LibraryOp<"advance_scale"> {
  let summary = "Close a step: push the recorded amaxes, make the next scales";
  let description = "Of every state, all of one window, as `fp8.advance` says.";
  let arguments = (ins Exec_InOut<Variadic<Exec_ScaleState>>:$states, TypeAttrOf<AnyFloat>:$format,
                       DefaultValuedAttr<I64Attr, "0">:$margin, UnitAttr:$pow2);
  let assemblyFormat = "$states attr-dict `:` type($states)";
}

def Exec_UpdateScalesOp : Exec_LibraryOp<"update_scales", [], [AttrSizedOperandSegments]> {
  let summary = "Scales for what the optimizer is about to write, from bounds";
  let description = [{
    As `train.update_scales` says: for variable i `pairs[i]` becomes the next scale of `roles[i]` in `formats[i]`, from the statistics `stats[i]` of its last write and `gradients[i]`,
    a pair, whose scale bounds the gradient's magnitudes in `gradient_formats[i]`, or statistics (unit). `previous` [5 * variables] keeps the pairs
    that the variables are stored with. Then all `stats` and `cleared` start anew.
  }];
  let arguments = (ins
    Exec_In<Exec_Scalar32>:$coefficient, Exec_In<Exec_Scalar32>:$lr, Exec_In<Exec_Scalar32>:$beta1, Exec_In<Exec_Scalar32>:$beta2,
    Exec_In<Exec_Scalar32>:$weight_decay, Exec_In<Exec_Scalar32>:$step, Exec_In<Exec_Scalar32>:$seed,
    Exec_In<Variadic<Exec_Buffer>>:$gradients, Exec_Out<Exec_Scalar32>:$bound, Exec_Out<Exec_Scalar32>:$key,
    Exec_Out<Exec_F32Buffer>:$previous, Exec_InOut<Variadic<Exec_ScalePair>>:$pairs,
    Exec_InOut<Variadic<Exec_StatsBuffer>>:$stats, Exec_Out<Variadic<Exec_StatsBuffer>>:$cleared,
    TypedArrayAttrBase<Train_RoleAttr, "roles of variables">:$roles, TypeArrayAttr:$formats, ArrayAttr:$gradient_formats,
    DenseBoolArrayAttr:$decays, DenseBoolArrayAttr:$roots);
  let assemblyFormat = [{
    `(` $coefficient `,` $lr `,` $beta1 `,` $beta2 `,` $weight_decay `,` $step `,` $seed `)` `gradients` `(` $gradients `)`
    `into` $bound `,` $key `,` $previous `pairs` `(` $pairs `)` `stats` `(` $stats `)` (`cleared` `(` $cleared^ `)`)? attr-dict
    `:` `(` type($coefficient) `,` type($lr) `,` type($beta1) `,` type($beta2) `,` type($weight_decay) `,` type($step) `,` type($seed) `)`
    `gradients` `(` type($gradients) `)` `into` type($bound) `,` type($key) `,` type($previous) `pairs` `(` type($pairs) `)`
    `stats` `(` type($stats) `)` (`cleared` `(` type($cleared)^ `)`)?
  }];
}

//===----------------------------------------------------------------------===//
// Several processes
//===----------------------------------------------------------------------===//

def Exec_AllReduceOp : Exec_LibraryOp<"all_reduce", ["mayOverwrite"], [AttrSizedOperandSegments]> {
  let summary = "Sums or maxima over processes";
  let description = [{
    Element by element over the processes along `axes` of the module's grid: every process gets one part of each tensor from all others, joins them in f32 in the order of ranks, and sends the
    results to all, which so have the same bits. Each of `outputs` has its input's type, and may be its memory. `scratch` holds what comes in: see getJoinScratchBytes in Exec.h.
    Inputs of N times as many elements are parts that are joined too: the first part of every process in the order of ranks, then the second.

    Example: `exec.all_reduce %g, %b into %g, %b scratch %s sum over ["dp"] : memref<8xbf16>, memref<5xf32> into memref<8xbf16>, memref<5xf32> scratch memref<96xi8>`
  }];
  let arguments = (ins Exec_In<Variadic<Exec_FloatBuffer>>:$inputs, Exec_Out<Variadic<Exec_FloatBuffer>>:$outputs, Exec_InOut<Exec_ByteBuffer>:$scratch, Train_ReductionAttr:$reduction, StrArrayAttr:$axes);
  let assemblyFormat = "$inputs `into` $outputs `scratch` $scratch `` $reduction `over` $axes attr-dict `:` type($inputs) `into` type($outputs) `scratch` type($scratch)";
}

def Exec_AllReduceCodesOp : Exec_LibraryOp<"all_reduce_codes", ["mayOverwrite"], [AttrSizedOperandSegments]> {
  let summary = "Sums of scaled tensors over processes";
  let description = [{
    As `fp8.all_reduce` says, by the way of `all_reduce`. `output_pairs` are `pairs` divided by the power of two
    that is not below the number of summands. Each of `outputs` may be its input's memory. `scratch` and parts as there.
    With `native` as `fp8.all_reduce` says: by the library that joins processes, and `output_pairs` are `pairs`.
  }];
  let arguments = (ins Exec_In<Variadic<Exec_CodeBuffer>>:$inputs, Exec_In<Variadic<Exec_ScalePair>>:$pairs,
                       Exec_Out<Variadic<Exec_CodeBuffer>>:$outputs, Exec_Out<Variadic<Exec_ScalePair>>:$output_pairs,
                       Exec_InOut<Exec_ByteBuffer>:$scratch, StrArrayAttr:$axes, UnitAttr:$native);
  let assemblyFormat = [{
    $inputs `scales` $pairs `into` $outputs `scales` $output_pairs `scratch` $scratch `over` $axes (`native` $native^)? attr-dict
    `:` type($inputs) `scales` type($pairs) `into` type($outputs) `scales` type($output_pairs) `scratch` type($scratch)
  }];
}

def Exec_ValueBuffer : AnyTypeOf<[Exec_FloatBuffer, Exec_CodeBuffer]>;

/// Moves shares of tensors, in one exchange.
class Exec_MoveOp<string mnemonic> : Exec_LibraryOp<mnemonic, [], [SameVariadicOperandSize]> {
  let arguments = (ins Exec_In<Variadic<Exec_ValueBuffer>>:$inputs, Exec_Out<Variadic<Exec_ValueBuffer>>:$outputs, StrArrayAttr:$axes);
  let assemblyFormat = "$inputs `into` $outputs `over` $axes attr-dict `:` type($inputs) `into` type($outputs)";
}

def Exec_AllGatherOp : Exec_MoveOp<"all_gather"> {
  let summary = "Buffers of processes, one after the other";
  let description = [{
    Each output has the inputs of all processes along `axes` of the module's grid, in the order of ranks.

    Example: `exec.all_gather %a into %b over ["dp"] : memref<4x8xbf16> into memref<8x8xbf16>`
  }];
}

def Exec_AllToAllOp : Exec_MoveOp<"all_to_all"> {
  let summary = "To each process its share of every other's buffer";
  let description = [{
    Process r along `axes` of the module's grid gets the r-th share of each, one after the other in the order of ranks.

    Example: `exec.all_to_all %a into %b over ["dp"] : memref<8x8xbf16> into memref<8x8xbf16>`
  }];
}

def Exec_ReduceScatterOp : Exec_LibraryOp<"reduce_scatter", [], [AttrSizedOperandSegments]> {
  let summary = "Sums or maxima over processes, of which each gets its share";
  let description = [{
    Inputs are divided by the number of processes along `axes` of the module's grid; process r gets the r-th share of each from all others and joins them in f32 in the order of ranks.
    `scratch` holds what comes in: see getScatterScratchBytes in Exec.h.

    Example: `exec.reduce_scatter %g into %h scratch %s sum over ["dp"] : memref<8x8xbf16> into memref<4x8xbf16> scratch memref<64xi8>`
  }];
  let arguments = (ins Exec_In<Variadic<Exec_FloatBuffer>>:$inputs, Exec_Out<Variadic<Exec_FloatBuffer>>:$outputs, Exec_InOut<Exec_ByteBuffer>:$scratch, Train_ReductionAttr:$reduction, StrArrayAttr:$axes);
  let assemblyFormat = "$inputs `into` $outputs `scratch` $scratch `` $reduction `over` $axes attr-dict `:` type($inputs) `into` type($outputs) `scratch` type($scratch)";
}

def Exec_ReduceScatterCodesOp : Exec_LibraryOp<"reduce_scatter_codes", [], [AttrSizedOperandSegments]> {
  let summary = "Sums of scaled tensors over processes, of which each gets its share";
  let description = "Shares and `scratch` as of `reduce_scatter`; sums and pairs as of `all_reduce_codes`.";
  let arguments = (ins Exec_In<Variadic<Exec_CodeBuffer>>:$inputs, Exec_In<Variadic<Exec_ScalePair>>:$pairs,
                       Exec_Out<Variadic<Exec_CodeBuffer>>:$outputs, Exec_Out<Variadic<Exec_ScalePair>>:$output_pairs,
                       Exec_InOut<Exec_ByteBuffer>:$scratch, StrArrayAttr:$axes);
  let assemblyFormat = [{
    $inputs `scales` $pairs `into` $outputs `scales` $output_pairs `scratch` $scratch `over` $axes attr-dict
    `:` type($inputs) `scales` type($pairs) `into` type($outputs) `scales` type($output_pairs) `scratch` type($scratch)
  }];
}

def Exec_ScaleByOp : Exec_LibraryOp<"scale_by", [], [SameVariadicOperandSize]> {
  let summary = "Scales times factors";
  let description = [{
    Of each pair a scale and its inverse, as `fp8.scale_by` says.

    Example: `exec.scale_by %p by %mu into %q : memref<5xf32> by memref<f32> into memref<5xf32>`
  }];
  let arguments = (ins Exec_In<Variadic<Exec_ScalePair>>:$pairs, Exec_In<Variadic<Exec_F32Buffer>>:$factors, Exec_Out<Variadic<Exec_ScalePair>>:$outputs);
  let assemblyFormat = "$pairs `by` $factors `into` $outputs attr-dict `:` type($pairs) `by` type($factors) `into` type($outputs)";
}

def Exec_AdjustMuOp : Exec_LibraryOp<"adjust_mu", [], [AttrSizedOperandSegments]> {
  let summary = "The factors that the next sums call for";
  let description = [{
    In place, as `fp8.adjust_mu` says, of sums that all processes along `axes` have. `scratch` counts: 4 bytes a sum.

    Example: `exec.adjust_mu %mu by %q scratch %b over ["dp"] : memref<f32> by memref<100xf8E4M3FN> scratch memref<4xi8>`
  }];
  let arguments = (ins Exec_InOut<Variadic<Exec_F32Buffer>>:$mus, Exec_In<Variadic<Exec_CodeBuffer>>:$sums, Exec_InOut<Exec_ByteBuffer>:$scratch, StrArrayAttr:$axes);
  let assemblyFormat = "$mus `by` $sums `scratch` $scratch `over` $axes attr-dict `:` type($mus) `by` type($sums) `scratch` type($scratch)";
}

def Exec_PutPartOp : Exec_LibraryOp<"put_part"> {
  let summary = "Write one part of a buffer";
  let description = [{
    `input` becomes part `index`, a whole number from 0, of `parts`; the others stay. One that is not there is not written.

    Example: `exec.put_part %g into %p at %i : memref<8xbf16> into memref<4x8xbf16>, memref<f32>`
  }];
  let arguments = (ins Exec_In<Exec_FloatBuffer>:$input, Exec_InOut<Exec_FloatBuffer>:$parts, Exec_In<Exec_F32Buffer>:$index);
  let assemblyFormat = "$input `into` $parts `at` $index attr-dict `:` type($input) `into` type($parts) `,` type($index)";
}

def Exec_AgreeStatsOp : Exec_LibraryOp<"agree_stats", [], [AttrSizedOperandSegments]> {
  let summary = "Statistics over processes";
  let description = [{
    Amaxes become the maximum over the processes along `axes`, counts their sum, in one exchange: of `stats`, and of what is pending in every state. `scratch` holds those of all processes: see getAgreeScratchBytes in Exec.h.

    Example: `exec.agree_stats stats %k states %s, %t scratch %b over ["dp"] : stats memref<3xui32> states memref<25xf32>, memref<25xf32> scratch memref<72xi8>`
  }];
  let arguments = (ins Exec_InOut<Variadic<Exec_StatsBuffer>>:$stats, Exec_InOut<Variadic<Exec_ScaleState>>:$states, Exec_InOut<Exec_ByteBuffer>:$scratch, StrArrayAttr:$axes);
  let assemblyFormat = [{
    (`stats` $stats^)? (`states` $states^)? `scratch` $scratch `over` $axes attr-dict `:` (`stats` type($stats)^)? (`states` type($states)^)? `scratch` type($scratch)
  }];
}

//===----------------------------------------------------------------------===//
// Moves
//===----------------------------------------------------------------------===//

def Exec_CopyOp : Exec_LibraryOp<"copy"> {
  let summary = "Copy elements between strided buffers of one shape";
  let description = "`permutation` and slicing are in the strides of the types; element types may differ (rounded).";
  let arguments = (ins Exec_In<>:$source, Exec_Out<>:$target);
  let assemblyFormat = "$source `to` $target attr-dict `:` type($source) `to` type($target)";
}

def Exec_FillOp : Exec_LibraryOp<"fill"> {
  let summary = "Set all elements of a contiguous buffer to a number, which of integers is 0";
  let arguments = (ins Exec_Out<>:$target, F32Attr:$value);
  let assemblyFormat = "$target `with` $value attr-dict `:` type($target)";
}

#endif // EXEC_IR_EXECLIBRARYOPS_TD
