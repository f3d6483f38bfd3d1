//===- Passes.td - Passes on the exec dialect -----------------------------===//

#ifndef EXEC_TRANSFORMS_PASSES_TD
#define EXEC_TRANSFORMS_PASSES_TD

include "Train/IR/ProgramPass.td"

def SetTarget : ProgramPass<"exec-set-target"> {
  let summary = "Say on the module which machine it is compiled for";
  let description = [{
    The module's attribute `exec.target`, which the passes behind ask, becomes `#exec.target<cpu>` or `#exec.target<cuda, sm_90>`. Pipelines run
    it first, where they are given a target.
  }];
  let options = [
    Option<"target", "target", "std::string", "\"cpu\"", "cpu or cuda">,
    Option<"gpu", "gpu", "std::string", "\"sm_90\"", "The GPU of target cuda, as nvcc calls it">
  ];
  let dependentDialects = ["::fp8c::exec::ExecDialect"];
}

def OverlapCollectives : ProgramPass<"exec-overlap-collectives"> {
  let summary = "Let gradients travel while backward goes on";
  let description = [{
    What joins a bucket of gradients, from the exchange of its amaxes to that of its codes, becomes a section that runs beside the function's other work, where
    the target does that. It is waited for where one of its buffers is needed, and at the latest when the second next bucket begins: that bounds what is kept for it.
  }];
}

def PlanMemory : ProgramPass<"exec-plan-memory"> {
  let summary = "Give every temporary an offset in the arena";
  let description = [{
    A buffer lives from the first to the last op of its function that touches it or a view of it. One that begins in an
    element-wise kernel, or in a function of the library that works in place, takes the place of an operand of its size
    that ends there. Buffers are placed one after another, each at the lowest offset where it overlaps no buffer that
    lives at the same time, in the best of a few orders: by size (as in XLA's heap simulator), by size and
    time, by time, by start. Function attributes `exec.peak` and `exec.lower_bound` tell the
    arena's size and the most bytes that live at once, which no plan can beat, in bytes; the module's
    `exec.arena_bytes` is the largest peak.
  }];
}

def PlanWorkspace : ProgramPass<"exec-plan-workspace"> {
  let summary = "Give library calls their scratch, where the target's take any";
  let description = [{
    cuDNN's deterministic `attention_backward` writes the gradients of all scores out (2 · batch · heads · seq · kv_seq bytes, and f32 sums of rows): each
    such call gets one more output, a buffer of bytes. `exec-plan-memory`, which comes later, places it where the arena has room at that time.
    A warning tells of the first attention in 16 bits that cuDNN has nothing for on the target: plain kernels do it.
    Where it would take more than `max-scratch-bytes` the call is done for `parts` of the batch, one after the other, which gives the same bits.
    All other calls share one workspace outside the arena, as large as the largest asks for. The module's `exec.workspace_bytes`
    is that size as far as it is known beforehand: what the runtime has for cuBLASLt (32 MiB), the sort and the partial sums of
    `embedding_backward`. The runtime asks the libraries themselves on the first call of a function, and what finds its scratch too small
    takes the shared workspace, enlarged; `fp8c-run train` tells what was planned and what was taken. Library calls of a target without such a workspace
    take none: nothing is done.
  }];
  let options = [
    Option<"maxScratchBytes", "max-scratch-bytes", "int64_t", "0", "Most scratch of a call in bytes, as far as parts of its batch allow; 0: no limit">,
    Option<"gpu", "gpu", "std::string", "\"\"", "The GPU, as nvcc calls it; by default that of the module's target">
  ];
}

def ChunkLoss : ProgramPass<"exec-chunk-loss"> {
  let summary = "Compute large logits, their loss and its gradients by chunks of rows";
  let description = [{
    Where the logits of a loss take more than `max-bytes`, the GEMM that makes them, the loss, and the GEMMs that read their gradient run
    over chunks of rows, all logits in one buffer of at most `max-bytes` (but at least one row, or 16 of FP8 products). The loss and the gradients of rows are the same
    bits as without chunks, if the GEMM library gives a row the same bits whatever rows are beside it. The weight gradient sums its chunks in f32, one
    after another: in another order than one GEMM over all rows. A copy rounds it at the end where it is kept in another type.
    A gradient that one kernel quantises with a scale known beforehand, for FP8 products, is quantised by chunks as well;
    where the scale comes from its amax, chunks make it twice, once to measure it. The codes of a chunk, in one or two layouts, take room besides.
    A remark says so where the ops around a loss are not of this form. Run it before `exec-plan-memory`.
  }];
  let options = [
    Option<"maxBytes", "max-bytes", "int64_t", "-1", "Largest logits buffer in bytes; 0: never chunk; -1: as the target says">
  ];
}

def MergeLaunches : ProgramPass<"exec-merge-launches"> {
  let summary = "Launch a kernel once for many parameters";
  let description = [{
    Launches of one kernel are put off until something else needs what they write, or writes what they read, and become one
    `exec.launch_multi` there. In the phase `update`, kernels of the skeletons `map` and `sum` merge, and those of `rows` that are
    element-wise and store a transposed copy; so do calls of `compute_scale` and `advance_scale` with the same settings. In every phase,
    kernels that add up partial sums (`exec.partial_sum`) merge. What they read lives on until they run, gradients before
    they are quantised above all: what is merged reads at most `max-held-bytes` of temporaries. Run it before `exec-plan-memory`. Run again it merges
    nothing, but what could not be merged is put off once more, past what has been merged by then.
  }];
  let options = [
    Option<"maxHeldBytes", "max-held-bytes", "int64_t", "int64_t(1) << 28", "Most temporaries that one launch reads in bytes">
  ];
}

#endif // EXEC_TRANSFORMS_PASSES_TD
