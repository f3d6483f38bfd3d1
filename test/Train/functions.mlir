// RUN: fp8c-opt %s --split-input-file --verify-diagnostics --allow-unregistered-dialect

// expected-error @+1 {{is a program's function, #train.function<update>, but has no body}}
func.func private @f() attributes {train.function = #train.function<update>}

// -----

// expected-error @+1 {{is a program's function, #train.function<micro>, which has one block, not 2}}
func.func @f() attributes {train.function = #train.function<micro>} {
  "other.branch"()[^next] : () -> ()
^next:
  return
}

// -----

// expected-note @+1 {{the first is here}}
func.func @f() attributes {train.function = #train.function<eval>} {
  return
}
func.func @g() attributes {train.function = #train.function<micro>} {
  return
}
// expected-error @+1 {{is the second #train.function<eval> of the module}}
func.func @h() attributes {train.function = #train.function<eval>} {
  return
}

// -----

// expected-error @+1 {{has the attribute "train.function", which stands on functions only}}
module attributes {train.function = #train.function<eval>} {
}

// -----

// expected-error @+2 {{expected ::fp8c::train::FunctionKind to be one of: forward, infer, eval, micro, update, init, calibrate, observe}}
// expected-error @+1 {{failed to parse}}
func.func @f() attributes {train.function = #train.function<macro>} {
  return
}
