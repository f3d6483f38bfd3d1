// RUN: fp8c-opt %s --exec-set-target | FileCheck %s --check-prefix=CPU
// RUN: fp8c-opt %s --exec-set-target="target=cuda gpu=sm_89" --exec-set-target=target=cuda | FileCheck %s --check-prefix=SM90
// RUN: not fp8c-opt %s --exec-set-target="target=cuda gpu=sm_75" 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// RUN: not fp8c-opt %s --fp8c-fp8-pipeline=target=tpu 2>&1 | FileCheck %s --check-prefix=TPU
// RUN: not fp8c-opt %s --exec-plan-workspace=gpu=sm_75 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// CPU: module attributes {exec.target = #exec.target<cpu>}
// SM90: module attributes {exec.target = #exec.target<cuda, sm_90>}
// UNKNOWN: error: knows no target <cuda, sm_75>; there are <cpu>, <cuda, sm_89>, <cuda, sm_90>, <cuda, sm_100>, <cuda, sm_120>
// TPU: error: knows no target <tpu, sm_90>; there are <cpu>

module {}
