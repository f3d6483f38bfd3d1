// RUN: fp8c-opt %s --fp8-merge-products=recipe=f32 --split-input-file | FileCheck %s
// RUN: fp8c-opt %s --fp8-merge-products=recipe=%S/Inputs/merge-forward.yaml --train-join-products --split-input-file | FileCheck %s --check-prefix=FORWARD
// RUN: fp8c-opt %s --fp8-merge-products=recipe=%S/Inputs/merge-none.yaml --split-input-file | FileCheck %s --check-prefix=NONE

// Parts keep their names, first values, and what the model's file has of them.
// The second product stands between users of the first.
// CHECK: train.variable @"h.0/q+k.weight" : tensor<32x48xf32> {init = #train.joined<dim = 1, parts =
// CHECK-SAME: [<"h.0/q.weight", size = 32, init = #train.normal<mean = {{.*}}, stddev = {{.*}}>, product = "h.0/q", file_name = "onnx::1", transposed = true>,
// CHECK-SAME: <"h.0/k.weight", size = 16, init = #train.constant<{{.*}}>, product = "h.0/k">]>, role = #train.role<parameter>}
// CHECK: train.variable @"h.0/q+k.bias" : tensor<48xf32> {init = #train.joined<dim = 0
// CHECK-LABEL: func.func @forward
// CHECK: %[[W:.*]] = train.read @"h.0/q+k.weight" {fp8.name = "h.0/q+k.weight"
// CHECK: %[[Y:.*]] = train.matmul %arg0, %[[W]] {fp8.name = "h.0/q+k"{{.*}} -> tensor<2x4x48xf32>
// CHECK: %[[B:.*]] = train.read @"h.0/q+k.bias"
// CHECK: %[[Z:.*]] = train.add %[[Y]], %[[B]]
// CHECK: train.split %[[Z]] axis 2
// CHECK-NOT: train.matmul
// CHECK-LABEL: func.func @infer
// CHECK: train.matmul
// CHECK-NOT: train.matmul
// A bias of a forward product of its own is added on its own.
// FORWARD: train.variable @"h.0/q+k.weight"
// FORWARD-NOT: q+k.bias
// FORWARD: %[[W:.*]] = train.read @"h.0/q+k.weight"
// FORWARD: train.matmul %arg0, %[[W]]
// FORWARD: train.split
// FORWARD: train.add
// FORWARD: train.add
// NONE-NOT: train.joined
train.variable @"h.0/q.weight" : tensor<32x32xf32> {init = #train.normal<mean = 0.0, stddev = 0.02>, role = #train.role<parameter>, train.file_name = "onnx::1", train.transposed}
train.variable @"h.0/k.weight" : tensor<32x16xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @"h.0/q.bias" : tensor<32xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @"h.0/k.bias" : tensor<16xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
func.func @forward(%x: tensor<2x4x32xf32>) -> (tensor<2x4x32xf32>, tensor<2x4x16xf32>) attributes {train.function = #train.function<forward>} {
  %wq = train.read @"h.0/q.weight" {fp8.name = "h.0/q.weight", fp8.phase = #fp8.phase<fwd>} : tensor<32x32xf32>
  %q = train.matmul %x, %wq {fp8.name = "h.0/q", fp8.phase = #fp8.phase<fwd>} : tensor<2x4x32xf32>, tensor<32x32xf32> -> tensor<2x4x32xf32>
  %bq = train.read @"h.0/q.bias" {fp8.name = "h.0/q.bias", fp8.phase = #fp8.phase<fwd>} : tensor<32xf32>
  %y = train.add %q, %bq {fp8.name = "h.0/q.bias", fp8.phase = #fp8.phase<fwd>} : tensor<2x4x32xf32>, tensor<32xf32> -> tensor<2x4x32xf32>
  %a = train.sigmoid %y : tensor<2x4x32xf32> -> tensor<2x4x32xf32>
  %wk = train.read @"h.0/k.weight" {fp8.name = "h.0/k.weight", fp8.phase = #fp8.phase<fwd>} : tensor<32x16xf32>
  %k = train.matmul %x, %wk {fp8.name = "h.0/k", fp8.phase = #fp8.phase<fwd>} : tensor<2x4x32xf32>, tensor<32x16xf32> -> tensor<2x4x16xf32>
  %bk = train.read @"h.0/k.bias" {fp8.name = "h.0/k.bias", fp8.phase = #fp8.phase<fwd>} : tensor<16xf32>
  %z = train.add %bk, %k {fp8.name = "h.0/k.bias", fp8.phase = #fp8.phase<fwd>} : tensor<16xf32>, tensor<2x4x16xf32> -> tensor<2x4x16xf32>
  %c = train.sigmoid %z : tensor<2x4x16xf32> -> tensor<2x4x16xf32>
  return %a, %c : tensor<2x4x32xf32>, tensor<2x4x16xf32>
}
func.func @infer(%x: tensor<1x4x32xf32>) -> (tensor<1x4x32xf32>, tensor<1x4x16xf32>) attributes {train.function = #train.function<infer>} {
  %wq = train.read @"h.0/q.weight" : tensor<32x32xf32>
  %q = train.matmul %x, %wq {fp8.name = "h.0/q"} : tensor<1x4x32xf32>, tensor<32x32xf32> -> tensor<1x4x32xf32>
  %bq = train.read @"h.0/q.bias" : tensor<32xf32>
  %y = train.add %q, %bq : tensor<1x4x32xf32>, tensor<32xf32> -> tensor<1x4x32xf32>
  %wk = train.read @"h.0/k.weight" : tensor<32x16xf32>
  %k = train.matmul %x, %wk {fp8.name = "h.0/k"} : tensor<1x4x32xf32>, tensor<32x16xf32> -> tensor<1x4x16xf32>
  %bk = train.read @"h.0/k.bias" : tensor<16xf32>
  %z = train.add %k, %bk : tensor<1x4x16xf32>, tensor<16xf32> -> tensor<1x4x16xf32>
  %a = train.sigmoid %y : tensor<1x4x32xf32> -> tensor<1x4x32xf32>
  %c = train.sigmoid %z : tensor<1x4x16xf32> -> tensor<1x4x16xf32>
  return %a, %c : tensor<1x4x32xf32>, tensor<1x4x16xf32>
}

// -----

// Weights that are [out, in] lie one behind the other. Frozen ones do not go
// with trained ones, nor products with a bias with those without; a part of 8
// columns would not begin where 16 bytes do; what is read twice stays, and what
// the function returns.
// CHECK: train.variable @"a+b" : tensor<48x32xf32> {init = #train.joined<dim = 0
// CHECK-LABEL: func.func @transposed
// CHECK: train.read @"a+b"
// CHECK-COUNT-7: train.matmul
// CHECK-NOT: train.matmul
train.variable @a : tensor<16x32xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @b : tensor<32x32xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @frozen : tensor<16x32xf32> {init = #train.constant<0.0>, role = #train.role<frozen>}
train.variable @biased : tensor<16x32xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @bias : tensor<16xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @narrow : tensor<8x32xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @head : tensor<16x32xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @twice : tensor<16x32xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
func.func @transposed(%x: tensor<4x32xf32>) -> (tensor<4x16xf32>, tensor<4x32xf32>, tensor<4x16xf32>, tensor<4x16xf32>, tensor<4x8xf32>, tensor<4x16xf32>, tensor<4x16xf32>, tensor<4x16xf32>) attributes {train.function = #train.function<forward>} {
  %a = train.read @a : tensor<16x32xf32>
  %0 = train.matmul %x, %a contracting [1] x [1] {fp8.name = "x"} : tensor<4x32xf32>, tensor<16x32xf32> -> tensor<4x16xf32>
  %b = train.read @b : tensor<32x32xf32>
  %1 = train.matmul %x, %b contracting [1] x [1] {fp8.name = "y"} : tensor<4x32xf32>, tensor<32x32xf32> -> tensor<4x32xf32>
  %f = train.read @frozen : tensor<16x32xf32>
  %2 = train.matmul %x, %f contracting [1] x [1] : tensor<4x32xf32>, tensor<16x32xf32> -> tensor<4x16xf32>
  %w = train.read @biased : tensor<16x32xf32>
  %3 = train.matmul %x, %w contracting [1] x [1] : tensor<4x32xf32>, tensor<16x32xf32> -> tensor<4x16xf32>
  %c = train.read @bias : tensor<16xf32>
  %4 = train.add %3, %c : tensor<4x16xf32>, tensor<16xf32> -> tensor<4x16xf32>
  %n = train.read @narrow : tensor<8x32xf32>
  %5 = train.matmul %x, %n contracting [1] x [1] : tensor<4x32xf32>, tensor<8x32xf32> -> tensor<4x8xf32>
  %t = train.read @twice : tensor<16x32xf32>
  %6 = train.matmul %x, %t contracting [1] x [1] : tensor<4x32xf32>, tensor<16x32xf32> -> tensor<4x16xf32>
  %u = train.read @twice : tensor<16x32xf32>
  %7 = train.matmul %x, %u contracting [1] x [1] : tensor<4x32xf32>, tensor<16x32xf32> -> tensor<4x16xf32>
  %h = train.read @head : tensor<16x32xf32>
  %8 = train.matmul %x, %h contracting [1] x [1] : tensor<4x32xf32>, tensor<16x32xf32> -> tensor<4x16xf32>
  %v0 = train.neg %0 : tensor<4x16xf32> -> tensor<4x16xf32>
  %v1 = train.neg %1 : tensor<4x32xf32> -> tensor<4x32xf32>
  %v2 = train.neg %2 : tensor<4x16xf32> -> tensor<4x16xf32>
  %v4 = train.neg %4 : tensor<4x16xf32> -> tensor<4x16xf32>
  %v5 = train.neg %5 : tensor<4x8xf32> -> tensor<4x8xf32>
  %v6 = train.neg %6 : tensor<4x16xf32> -> tensor<4x16xf32>
  %v7 = train.neg %7 : tensor<4x16xf32> -> tensor<4x16xf32>
  return %v0, %v1, %v2, %v4, %v5, %v6, %v7, %8 : tensor<4x16xf32>, tensor<4x32xf32>, tensor<4x16xf32>, tensor<4x16xf32>, tensor<4x8xf32>, tensor<4x16xf32>, tensor<4x16xf32>, tensor<4x16xf32>
}

// -----

// Keys and values that all layers make of one memory are of one layer each.
// CHECK: train.variable @"h.0/k+v"
// CHECK: train.variable @"h.1/k+v"
// CHECK: return
// FORWARD: train.variable @"h.1/k+v"
// FORWARD: return
train.variable @"h.0/k" : tensor<32x16xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @"h.0/v" : tensor<32x16xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @"h.1/k" : tensor<32x16xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @"h.1/v" : tensor<32x16xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
func.func @memory(%x: tensor<4x32xf32>) -> (tensor<4x16xf32>, tensor<4x16xf32>, tensor<4x16xf32>, tensor<4x16xf32>) attributes {train.function = #train.function<forward>} {
  %a = train.read @"h.0/k" : tensor<32x16xf32>
  %0 = train.matmul %x, %a {fp8.name = "h.0/k"} : tensor<4x32xf32>, tensor<32x16xf32> -> tensor<4x16xf32>
  %b = train.read @"h.1/k" : tensor<32x16xf32>
  %1 = train.matmul %x, %b {fp8.name = "h.1/k"} : tensor<4x32xf32>, tensor<32x16xf32> -> tensor<4x16xf32>
  %c = train.read @"h.0/v" : tensor<32x16xf32>
  %2 = train.matmul %x, %c {fp8.name = "h.0/v"} : tensor<4x32xf32>, tensor<32x16xf32> -> tensor<4x16xf32>
  %d = train.read @"h.1/v" : tensor<32x16xf32>
  %3 = train.matmul %x, %d {fp8.name = "h.1/v"} : tensor<4x32xf32>, tensor<32x16xf32> -> tensor<4x16xf32>
  %v0 = train.neg %0 : tensor<4x16xf32> -> tensor<4x16xf32>
  %v1 = train.neg %1 : tensor<4x16xf32> -> tensor<4x16xf32>
  %v2 = train.neg %2 : tensor<4x16xf32> -> tensor<4x16xf32>
  %v3 = train.neg %3 : tensor<4x16xf32> -> tensor<4x16xf32>
  return %v0, %v1, %v2, %v3 : tensor<4x16xf32>, tensor<4x16xf32>, tensor<4x16xf32>, tensor<4x16xf32>
}

// -----

// A function that adds biases does not do what one without them does; nor do
// two that sum over other dimensions of a weight; and of a parameter that has
// moments already more is known than who reads it.
// CHECK-NOT: train.joined
// FORWARD-NOT: train.joined
train.variable @q : tensor<32x32xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @k : tensor<32x32xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @bq : tensor<32xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @bk : tensor<32xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
func.func @bare(%x: tensor<4x32xf32>) -> tensor<4x32xf32> attributes {train.function = #train.function<forward>} {
  %wq = train.read @q : tensor<32x32xf32>
  %wk = train.read @k : tensor<32x32xf32>
  %q = train.matmul %x, %wq {fp8.name = "q"} : tensor<4x32xf32>, tensor<32x32xf32> -> tensor<4x32xf32>
  %k = train.matmul %x, %wk {fp8.name = "k"} : tensor<4x32xf32>, tensor<32x32xf32> -> tensor<4x32xf32>
  %y = train.mul %q, %k : tensor<4x32xf32>, tensor<4x32xf32> -> tensor<4x32xf32>
  return %y : tensor<4x32xf32>
}
func.func @biased(%x: tensor<4x32xf32>) -> tensor<4x32xf32> attributes {train.function = #train.function<infer>} {
  %wq = train.read @q : tensor<32x32xf32>
  %wk = train.read @k : tensor<32x32xf32>
  %bq = train.read @bq : tensor<32xf32>
  %bk = train.read @bk : tensor<32xf32>
  %q = train.matmul %x, %wq {fp8.name = "q"} : tensor<4x32xf32>, tensor<32x32xf32> -> tensor<4x32xf32>
  %k = train.matmul %x, %wk {fp8.name = "k"} : tensor<4x32xf32>, tensor<32x32xf32> -> tensor<4x32xf32>
  %a = train.add %q, %bq : tensor<4x32xf32>, tensor<32xf32> -> tensor<4x32xf32>
  %b = train.add %k, %bk : tensor<4x32xf32>, tensor<32xf32> -> tensor<4x32xf32>
  %y = train.mul %a, %b : tensor<4x32xf32>, tensor<4x32xf32> -> tensor<4x32xf32>
  return %y : tensor<4x32xf32>
}

// -----

// CHECK-NOT: train.joined
// FORWARD-NOT: train.joined
train.variable @q : tensor<32x32xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @k : tensor<32x32xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
func.func @rows(%x: tensor<4x32xf32>) -> tensor<4x32xf32> attributes {train.function = #train.function<forward>} {
  %wq = train.read @q : tensor<32x32xf32>
  %wk = train.read @k : tensor<32x32xf32>
  %q = train.matmul %x, %wq {fp8.name = "q"} : tensor<4x32xf32>, tensor<32x32xf32> -> tensor<4x32xf32>
  %k = train.matmul %x, %wk {fp8.name = "k"} : tensor<4x32xf32>, tensor<32x32xf32> -> tensor<4x32xf32>
  %y = train.mul %q, %k : tensor<4x32xf32>, tensor<4x32xf32> -> tensor<4x32xf32>
  return %y : tensor<4x32xf32>
}
func.func @columns(%x: tensor<4x32xf32>) -> tensor<4x32xf32> attributes {train.function = #train.function<infer>} {
  %wq = train.read @q : tensor<32x32xf32>
  %wk = train.read @k : tensor<32x32xf32>
  %q = train.matmul %x, %wq contracting [1] x [1] {fp8.name = "q"} : tensor<4x32xf32>, tensor<32x32xf32> -> tensor<4x32xf32>
  %k = train.matmul %x, %wk contracting [1] x [1] {fp8.name = "k"} : tensor<4x32xf32>, tensor<32x32xf32> -> tensor<4x32xf32>
  %y = train.mul %q, %k : tensor<4x32xf32>, tensor<4x32xf32> -> tensor<4x32xf32>
  return %y : tensor<4x32xf32>
}

// -----

// CHECK-NOT: train.joined
// FORWARD-NOT: train.joined
train.variable @q : tensor<32x32xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @k : tensor<32x32xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @q.m : tensor<32x32xf32> {init = #train.constant<0.0>, role = #train.role<moment1>, of = @q}
func.func @trained(%x: tensor<4x32xf32>) -> tensor<4x32xf32> attributes {train.function = #train.function<forward>} {
  %wq = train.read @q : tensor<32x32xf32>
  %wk = train.read @k : tensor<32x32xf32>
  %q = train.matmul %x, %wq {fp8.name = "q"} : tensor<4x32xf32>, tensor<32x32xf32> -> tensor<4x32xf32>
  %k = train.matmul %x, %wk {fp8.name = "k"} : tensor<4x32xf32>, tensor<32x32xf32> -> tensor<4x32xf32>
  %y = train.mul %q, %k : tensor<4x32xf32>, tensor<4x32xf32> -> tensor<4x32xf32>
  return %y : tensor<4x32xf32>
}
