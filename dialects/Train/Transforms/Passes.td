//===- Passes.td - Passes on the train dialect ----------------------------===//

#ifndef TRAIN_TRANSFORMS_PASSES_TD
#define TRAIN_TRANSFORMS_PASSES_TD

include "Train/IR/ProgramPass.td"

def Recompose : ProgramPass<"train-recompose"> {
  let summary = "Put together what exporters took apart";
  let description = [{
    Finds in `@forward`, and in every other function, what a model was written with, and replaces it by the ops that models of ours
    have, so that both become the same program:

    - norms (`train.layer_norm`, `train.rms_norm`), whatever way the root, its reciprocal and the mean are written;
    - GELUs by tanh and erf, and sigmoids written out;
    - rotary embeddings (`train.rotary`) by constant tables, of halves or of neighbours, of all features or the first ones:
      what is followed is which sum of features each feature is;
    - softmax attention (`train.attention`), with the scale on scores, queries or keys, grouped heads repeated by any ops, heads split by reshapes
      and transposes, scores capped by tanh, rows that see nothing cleared. What is added to the scores or put in their place is added up number by
      number as far as it is made of constants: what hides keys by their order alone becomes `causal` and `window`, keys before a length `lengths`,
      all the rest a bias;
    - layers on rows that are numbered through, [batch * tokens, features], on [batch, tokens, features];
    - operands of sums and products in the order of our models: what is repeated second, and what a product makes; products of one value with weights
      one after the other; variables in the order in which `@forward` reads them.

    Numbers agree with what they are meant to be within 2e-6. What only looks like one of these stays as it is and is remarked on.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::fp8c::train::TrainDialect"];
}

def AppendLoss : ProgramPass<"train-append-loss"> {
  let summary = "Make @eval, the mean loss of @forward on targets";
  let description = [{
    If `@forward` returns logits, `@eval(tokens, targets) -> loss` is a copy of it with
    `train.cross_entropy` appended; `targets` are i64 of the logits' shape less
    the last dimension. If `@forward` already returns a scalar loss, `@eval` is a copy of it.
    What only other outputs need is left out. Which output is which, its attribute `train.output` says, else its type.

    `targets` have the attribute `train.input = #train.input<labels_next>`, or what `@forward` has as `train.labels`:
    `#train.input<labels>` where logits are no scores of the next token.
  }];
  let options = [
    Option<"loss", "loss", "std::string", "\"\"",
           "Name of the output of @forward to differentiate (default: its loss or logits by train.output, else its first scalar float output, else cross-entropy of its first float output of rank 2 or more)">
  ];
  let dependentDialects = ["::fp8c::train::TrainDialect"];
}

def BoundIds : ProgramPass<"train-bound-ids"> {
  let summary = "Say on functions' arguments which ids they may hold";
  let description = [{
    Programs read a table's row for each id, and do not ask whether it has one. So whoever gives ids must know:
    an integer argument gets the attribute `train.ids = N : i64` where, as it is or reshaped, cut or moved, it is looked up in a table of N rows
    (`train.embedding`) or is a label among N classes (`train.cross_entropy`); the least of several N. Labels also get `train.ignore_index`
    from their `train.cross_entropy`, unless it is -100.
  }];
  let dependentDialects = ["::fp8c::train::TrainDialect"];
}

def Autodiff : ProgramPass<"train-autodiff"> {
  let summary = "Make @micro: the loss of @eval and its gradients";
  let description = [{
    Reverse-mode differentiation by the ops' `DifferentiableOpInterface`. `@micro` takes what `@eval` takes
    and returns the loss, then for every parameter that the loss depends on the gradient of `grad_scale * loss`,
    marked with the result attribute `train.gradient_of = @parameter`. Gradients have their parameter's type and
    stand in the order of the parameters.

    Only ops between a parameter and the loss are differentiated; one of them that has no VJP is an error.
    Variables of role `frozen` have no gradient.
    The ops of a VJP carry the `fp8.name` of their forward op and the phase `wgrad` if they make the gradient of a
    parameter, else `dgrad`. Parameters that the loss does not depend on are remarked on.
  }];
  let dependentDialects = ["::fp8c::train::TrainDialect"];
}

def AddOptimizer : ProgramPass<"train-add-optimizer"> {
  let summary = "Accumulate gradients in variables and make @update: clip and AdamW";
  let description = [{
    `@micro`'s gradients are added to variables of role `gradient`. `@update() -> grad_norm` computes the global norm, the
    clip coefficient and AdamW for every parameter (decay for those of two or more dimensions). Gradients and moments are f32. They are never
    cleared: the first micro-batch of a step writes over them. Parameters without a gradient get no state.

    With `micro-batches` `@micro` assigns its gradients, which then need no type in which sums survive, and the module says
    `train.micro_batches`: one, or as many as `train-reduce-gradients` keeps apart.
  }];
  let options = [
    Option<"microBatches", "micro-batches", "int64_t", "0", "How many micro-batches a step has; 0: any number, whose gradients are added up">
  ];
  let dependentDialects = ["::fp8c::train::TrainDialect"];
}

def JoinProducts : ProgramPass<"train-join-products"> {
  let summary = "Make one product of those of one input with the parts of one parameter, in forward";
  let description = [{
    Where `fp8-merge-products` has put parameters together for a recipe that says `merge: forward`. Runs behind `train-autodiff`: gradients keep products of
    their own, whose operands have scales of their own.

    Example:
    ```mlir
    %wq, %wk = train.split %w axis 1 : tensor<128x192xf32> -> tensor<128x128xf32>, tensor<128x64xf32>
    %q = train.matmul %x, %wq : tensor<2x64x128xf32>, tensor<128x128xf32> -> tensor<2x64x128xf32>
    %k = train.matmul %x, %wk : tensor<2x64x128xf32>, tensor<128x64xf32> -> tensor<2x64x64xf32>
    ```
    becomes
    ```mlir
    %y = train.matmul %x, %w : tensor<2x64x128xf32>, tensor<128x192xf32> -> tensor<2x64x192xf32>
    %q, %k = train.split %y axis 2 : tensor<2x64x192xf32> -> tensor<2x64x128xf32>, tensor<2x64x64xf32>
    ```
  }];
  let dependentDialects = ["::fp8c::train::TrainDialect"];
}

def Recompute : ProgramPass<"train-recompute"> {
  let summary = "Let backward compute values anew instead of keeping them";
  let description = [{
    In `@micro`, backward ops use clones of the chosen forward ops, which start from `train.barrier`s of the
    values that are kept and stand right before their first use. The clones carry the phase `recompute`.

    | choice | computed anew | from |
    |---|---|---|
    | `norm` | outputs of normalisations | their input and statistics |
    | `gelu` | activations: GELU, tanh, sigmoid, … and products with them, as in SwiGLU | their input |
    | `quantize` | FP8 copies that only weight gradients read, of values that backward keeps anyway (what attention gives) | those |
    | `block` | everything in a layer, as the ops' names number it, but what other layers use of it | the layer's input |
    | `block:N` | the same in the first N layers only, which backward comes to last | |

    Recomputing changes no bit, whatever the recipe: see fp8-insert-scaling for quantised values.
  }];
  let options = [
    ListOption<"values", "values", "std::string", "What to compute anew: norm, gelu, quantize, block, block:N">
  ];
  let dependentDialects = ["::fp8c::train::TrainDialect"];
}

def SetGrid : ProgramPass<"train-set-grid"> {
  let summary = "Say on the module how many processes run it";
  let description = [{
    Gives the module a `train.grid` of `dp` processes, each with data of its own; of one process none, unless it is `reproducible`: then the module says
    `train.reproducible`, and one process joins its micro-batches as several join theirs.
  }];
  let options = [
    Option<"dp", "dp", "int64_t", "1", "Processes along the axis dp">,
    Option<"reproducible", "reproducible", "bool", "false", "Whether trainings give the same bits however a step is divided">
  ];
  let dependentDialects = ["::fp8c::train::TrainDialect"];
}

def OrderGradients : ProgramPass<"train-order-gradients"> {
  let summary = "Compute a large gradient that comes last before others that can wait";
  let description = [{
    Nothing hides the exchange of the gradient that is there last: of an embedding, which needs all of backward. The gradients before it, of up to `window` elements together, do not
    lead to it: what computes them is put behind it, so that it travels meanwhile. Only the last gradient of at least `window` elements is looked at, and only where processes sum gradients.
  }];
  let options = [
    Option<"window", "window", "int64_t", "32 * 1024 * 1024", "Elements of gradients that wait, at most">
  ];
}

def ReduceGradients : ProgramPass<"train-reduce-gradients"> {
  let summary = "Sum gradients over the processes that have other data";
  let description = [{
    Where a gradient is assigned it becomes a `train.all_reduce` of what this process has, in the type that `train.wire` on its variable says. Once per step: a module whose `@micro`
    adds up micro-batches gets `@micro_last` beside it, which is the same and sums. Gradients travel in buckets of at least `bucket` elements, in the order in which backward
    finishes them, each bucket once its last gradient is there, or, from a quarter of its size on, before a gradient that fills one alone. Vectors are few bytes and as much trouble: all of them travel together, last. The trainer weighs each micro-batch by its labels' share of those of all processes, so that the sum is the gradient of the joint batch.
    Where a reproducible module says that a step has several micro-batches, each of them puts its gradient beside those of the others (`train.put_part`), into a variable of role
    `gradient_parts`, and the last one sums all parts of all processes in one order.
    A module without a grid stays as it is, and one with one process along `dp` that is not reproducible.
  }];
  let options = [
    Option<"bucket", "bucket", "int64_t", "32 * 1024 * 1024", "Elements that gradients have, at least, that travel together">
  ];
  let dependentDialects = ["::fp8c::train::TrainDialect"];
}

def CheckLayout : ProgramPass<"train-check-layout"> {
  let summary = "Prove that processes keep alike what must be alike";
  let description = [{
    A data-flow analysis of what varies between processes along `dp`: data do, and all that is computed from them; sums and maxima over the axis do not. Errors:

    - a variable that all processes keep alike (a weight, a moment, a scale) is assigned a value that varies;
    - codes are summed whose scale varies, or gradients are clipped by a norm that does;
    - what is alike already is summed, or gradients are summed in every micro-batch.

    A note says what the value comes from. Runs after every pass that makes or moves collectives. Changes nothing.
  }];
}

def RoundBias : ProgramPass<"train-round-bias"> {
  let summary = "Round biases that a GEMM can add to the type of its result";
  let description = [{
    Where the sum of a contraction's result and a parameter must be in memory, because not all that reads it becomes part of kernels, the
    GEMM of a target whose library does so can add the parameter, if it has the result's type: it is cast. `train-materialize-compute-weights` makes the cast a variable.
  }];
  let dependentDialects = ["::fp8c::train::TrainDialect"];
}

def RepeatBias : ProgramPass<"train-repeat-bias"> {
  let summary = "Let backward kernels add a bias again instead of reading the sum";
  let description = [{
    A contraction's result is in memory anyway. Where all that reads its sum with a bias becomes part of kernels, as GELU and
    its VJP, each kernel can add the bias by itself: the sum is never written. Changes no bit.
  }];
  let dependentDialects = ["::fp8c::train::TrainDialect"];
}

def ApplyPrecision : ProgramPass<"train-apply-precision"> {
  let summary = "Give every value the float type that the assignment chose";
  let description = [{
    Reads the `fp8.precision` attributes of `fp8-assign-precision`. Values become f32, bf16 or f16 by a change of their type;
    contraction operands that are wanted in another of these are cast. FP8 operands are left to `fp8-insert-scaling`.
  }];
  let dependentDialects = ["::fp8c::train::TrainDialect"];
}

def PadVocabulary : ProgramPass<"train-pad-vocabulary"> {
  let summary = "Pad logits to a number of columns that products are fast with";
  let description = [{
    Where a product of a parameter in 16 bits or fewer makes the logits of a `train.cross_entropy`, the parameter's copy gets zeros up to a multiple of
    `multiple`, the logits and their gradient get columns that `classes` keeps out of the loss, and the parameter's gradient is cut to what it was.
    Every other product of the same parameter that makes logits reads the same copy, and its result is cut.

    The parameter itself, its gradient and moments, and what functions return keep the size that they have.
  }];
  let options = [
    Option<"multiple", "multiple", "int64_t", "0", "Columns are a multiple of this; 1: as many as classes; 0: as the target says">
  ];
  let dependentDialects = ["::fp8c::train::TrainDialect"];
}

def MaterializeComputeWeights : ProgramPass<"train-materialize-compute-weights"> {
  let summary = "Write casts and quantisations of parameters once per update";
  let description = [{
    What a function computes from parameters alone (a bf16 cast, amax + scale + quantise) becomes a variable of role
    `compute_weight` that `@update` rewrites from the new parameter and `@init` from the present one. That of a frozen
    parameter `@init` alone writes.
  }];
  let dependentDialects = ["::fp8c::train::TrainDialect"];
}

def FitKernels : ProgramPass<"train-fit-kernels"> {
  let summary = "Give reductions and broadcasts the forms that kernels have";
  let description = [{
    Reductions become sums over the leading dimensions, or reductions of the last one that keep it with size 1: others are transposed
    and viewed as a matrix whose rows are reduced. An operand of an element-wise op is read whole, as one number, as trailing dimensions
    of the result or as one number per row: others are repeated first. Runs before `train-form-fusions`.
  }];
  let dependentDialects = ["::fp8c::train::TrainDialect"];
}

def FuseOptimizer : ProgramPass<"train-fuse-optimizer"> {
  let summary = "Bound the scales of what the optimizer writes, so that one pass over its states suffices";
  let description = [{
    A scale that `@update` takes from the amax of what it writes (`fp8.compute_scale` with `bounded`) needs that value before it can
    be quantised. `train.update_scales` bounds the values instead, from the amaxes of the last write and the gradient's, and gives all
    scales before the first parameter is updated. `train.adamw` limits its update to the bound and counts what it limits; amaxes and counts are
    kept in variables of role `scale`. A compute weight's scale is then state too: `@init` reads it back.
  }];
  let dependentDialects = ["::fp8c::fp8::FP8Dialect", "::fp8c::train::TrainDialect"];
}

def FormFusions : ProgramPass<"train-form-fusions"> {
  let summary = "Group ops that become one kernel into train.fusion";
  let description = [{
    Element-wise ops and reductions over the last dimension join their producers, and what reads the same tensors, where one kernel takes no
    more time than two. The time is the larger of two: of the bytes that a kernel moves, each tensor once, and of its instructions, which it spends again in each
    pass over a row that its reductions need (as many of them in the time of a byte as the target says). `train.saved_bytes` on a `train.fusion` is what its ops would move besides, as kernels of their own.
    `fp8.transpose` joins the quantisation that it copies. With `sum-rows`,
    sums over the rows (gradients of biases and norms) join a kernel that computes or reads what they sum: it gives
    `train.partial_sum`s over blocks of that many rows, which a small kernel then adds up in order. Fusing changes no bit, but for
    these sums, whose order it changes. A kernel has at most 256 ops.
  }];
  let options = [
    Option<"sumRows", "sum-rows", "int64_t", "-1", "Rows of a block of partial sums over rows; 0: such sums are kernels of their own; -1: as the target says">
  ];
  let dependentDialects = ["::fp8c::train::TrainDialect"];
}

#endif // TRAIN_TRANSFORMS_PASSES_TD
