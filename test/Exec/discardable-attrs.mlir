// RUN: fp8c-opt %s --split-input-file --verify-diagnostics

// What is known, in its place.
module attributes {exec.variables_bytes = 0 : i64, exec.arena_bytes = 64 : i64, exec.workspace_bytes = 0 : i64} {
  func.func @forward(%x: memref<4xf32>) attributes {train.function = #train.function<forward>, exec.inputs = 1 : i64, exec.peak = 0 : i64, exec.lower_bound = 0 : i64} {
    return
  }
}

// -----

// expected-error @+1 {{has the attribute "exec.arena_bytes", which stands on modules only}}
func.func @forward() attributes {train.function = #train.function<forward>, exec.arena_bytes = 64 : i64} {
  return
}

// -----

// expected-error @+1 {{has an attribute "exec.outputs" that the dialect does not know; there are exec.inputs, exec.peak, exec.lower_bound, exec.variables_bytes, exec.arena_bytes, exec.workspace_bytes}}
func.func @forward() attributes {train.function = #train.function<forward>, exec.outputs = 1 : i64} {
  return
}

// -----

// expected-error @+1 {{attribute "exec.inputs" must be an integer of type i64, but is "1"}}
func.func @forward() attributes {train.function = #train.function<forward>, exec.inputs = "1"} {
  return
}
