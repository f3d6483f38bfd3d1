// RUN: fp8c-opt %s -split-input-file -verify-diagnostics | FileCheck %s

// CHECK: module attributes {exec.target = #exec.target<cpu>}
module attributes {exec.target = #exec.target<cpu>} {}

// -----

// CHECK: module attributes {exec.target = #exec.target<cuda, sm_90>}
module attributes {exec.target = #exec.target<cuda, sm_90>} {}

// -----

// CHECK: module attributes {exec.target = #exec.target<cuda, sm_120>}
module attributes {exec.target = #exec.target<cuda, "sm_120">} {}

// -----

// expected-error @+1 {{knows no target <cuda, sm_75>; there are <cpu>, <cuda, sm_89>, <cuda, sm_90>, <cuda, sm_100>, <cuda, sm_120>}}
module attributes {exec.target = #exec.target<cuda, sm_75>} {}

// -----

// expected-error @+1 {{knows no target <cuda>; there are <cpu>, <cuda, sm_89>}}
module attributes {exec.target = #exec.target<cuda>} {}

// -----

// expected-error @+1 {{knows no target <cpu, sm_90>; there are <cpu>}}
module attributes {exec.target = #exec.target<cpu, sm_90>} {}

// -----

// expected-error @+1 {{knows no target <rocm, gfx942>; there are <cpu>}}
module attributes {exec.target = #exec.target<rocm, gfx942>} {}

// -----

// expected-error @+1 {{expected '>'}}
module attributes {exec.target = #exec.target<cuda sm_90>} {}

// -----

// expected-error @+1 {{attribute "exec.target" must be a target, as #exec.target<cuda, sm_90>, but is "cuda"}}
module attributes {exec.target = "cuda"} {}

// -----

// expected-error @+1 {{has the attribute "exec.target", which stands on modules only}}
func.func private @f() attributes {exec.target = #exec.target<cpu>}
