//===- Passes.td - Passes on the exec dialect -----------------------------===//

#ifndef EXEC_TRANSFORMS_PASSES_TD
#define EXEC_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

def PlanMemory : Pass<"exec-plan-memory", "::mlir::ModuleOp"> {
  let summary = "Give every temporary an offset in the arena";
  let description = [{
    A buffer lives from the first to the last op of its function that touches it or a view of it. Buffers are placed
    from the largest down, each at the lowest offset where it overlaps no buffer that lives at the same time
    (best-fit offsets by size, as in XLA's heap simulator). Function attributes `exec.peak` and `exec.lower_bound` tell the
    arena's size and the most bytes that live at once, which no plan can beat, in bytes; the module's
    `exec.arena_bytes` is the largest peak.
  }];
}

#endif // EXEC_TRANSFORMS_PASSES_TD
