//===- Passes.td - convert-to-exec ----------------------------------------===//

#ifndef CONVERSION_TRAINTOEXEC_PASSES_TD
#define CONVERSION_TRAINTOEXEC_PASSES_TD

include "Target/IR/TargetOptions.td"
include "Train/IR/ProgramPass.td"

def ConvertToExec : ProgramPass<"convert-to-exec"> {
  let summary = "Turn tensors into buffers, fusions into kernels and contractions into library calls";
  let description = [{
    Every function keeps its name; its results become further arguments that it
    writes. A value that is assigned to a variable is written in place where
    nothing reads the old one later; a sum with a gradient variable becomes accumulation by its
    producer; parts of a split and of a concat are views of the whole where their users can stride.
  }];
  let options = [
    TargetOverride<"gemmWorkspace", "gemm-workspace",
           "Give GEMMs f32 copies of operands and results in other formats, for targets whose library multiplies f32 only">,
    TargetOverride<"gemmBias", "gemm-bias",
           "Let GEMMs add a vector of the result's type where nothing else is done to the result, for targets whose library can">
  ];
  let dependentDialects = ["::fp8c::exec::ExecDialect"];
}

#endif // CONVERSION_TRAINTOEXEC_PASSES_TD
