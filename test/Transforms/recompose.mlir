// RUN: fp8c-opt %s -split-input-file --train-recompose -verify-diagnostics | FileCheck %s
// RUN: fp8c-opt %s -split-input-file --train-recompose --canonicalize --train-recompose --canonicalize | FileCheck %s --check-prefix=TWICE

// test_recompose.py has the forms that exporters write, and compares numbers. Here is what the ops become.

// A norm takes the weight and the bias that follow.
// CHECK-LABEL: func.func @norm(
// CHECK-SAME: %[[X:.*]]: tensor<2x8xf32>, %[[W:.*]]: tensor<8xf32>, %[[B:.*]]: tensor<8xf32>
func.func @norm(%x: tensor<2x8xf32>, %w: tensor<8xf32>, %b: tensor<8xf32>) -> tensor<2x8xf32> {
  %n = arith.constant dense<8.0> : tensor<f32>
  %two = arith.constant dense<2.0> : tensor<f32>
  %e = arith.constant dense<1.0e-5> : tensor<f32>
  // CHECK: %[[Y:.*]], %{{.*}}, %{{.*}} = train.layer_norm %[[X]], %[[W]], %[[B]] {epsilon = 9.99999974E-6 : f32, fp8.name = "bias"}
  // CHECK-NEXT: return %[[Y]]
  %0 = train.reduce_sum %x axes [1] {keepdims} : tensor<2x8xf32> -> tensor<2x1xf32>
  %1 = train.div %0, %n : tensor<2x1xf32>, tensor<f32> -> tensor<2x1xf32>
  %2 = train.sub %x, %1 : tensor<2x8xf32>, tensor<2x1xf32> -> tensor<2x8xf32>
  %3 = train.pow %2, %two : tensor<2x8xf32>, tensor<f32> -> tensor<2x8xf32>
  %4 = train.reduce_sum %3 axes [1] {keepdims} : tensor<2x8xf32> -> tensor<2x1xf32>
  %5 = train.div %4, %n : tensor<2x1xf32>, tensor<f32> -> tensor<2x1xf32>
  %6 = train.add %5, %e : tensor<2x1xf32>, tensor<f32> -> tensor<2x1xf32>
  %7 = train.sqrt %6 : tensor<2x1xf32> -> tensor<2x1xf32>
  %8 = train.div %2, %7 : tensor<2x8xf32>, tensor<2x1xf32> -> tensor<2x8xf32>
  %9 = train.mul %8, %w : tensor<2x8xf32>, tensor<8xf32> -> tensor<2x8xf32>
  %10 = train.add %9, %b {fp8.name = "bias"} : tensor<2x8xf32>, tensor<8xf32> -> tensor<2x8xf32>
  return %10 : tensor<2x8xf32>
}

// -----

// Where what is divided goes elsewhere too, the weight is one of its own.
// CHECK-LABEL: func.func @shared_norm(
func.func @shared_norm(%x: tensor<2x8xf32>, %w: tensor<8xf32>) -> (tensor<2x8xf32>, tensor<2x8xf32>) {
  %n = arith.constant dense<0.125> : tensor<f32>
  %e = arith.constant dense<1.0e-5> : tensor<f32>
  // CHECK: %[[ONES:.*]] = arith.constant dense<1.000000e+00> : tensor<8xf32>
  // CHECK: %[[Y:.*]], %{{.*}} = train.rms_norm %{{.*}}, %[[ONES]]
  // CHECK: %[[Z:.*]] = train.mul %[[Y]], %{{.*}}
  // CHECK: return %[[Y]], %[[Z]]
  %0 = train.mul %x, %x : tensor<2x8xf32>, tensor<2x8xf32> -> tensor<2x8xf32>
  %1 = train.reduce_sum %0 axes [1] {keepdims} : tensor<2x8xf32> -> tensor<2x1xf32>
  %2 = train.mul %1, %n : tensor<2x1xf32>, tensor<f32> -> tensor<2x1xf32>
  %3 = train.add %2, %e : tensor<2x1xf32>, tensor<f32> -> tensor<2x1xf32>
  %4 = train.rsqrt %3 : tensor<2x1xf32> -> tensor<2x1xf32>
  %5 = train.mul %x, %4 : tensor<2x8xf32>, tensor<2x1xf32> -> tensor<2x8xf32>
  %6 = train.mul %5, %w : tensor<2x8xf32>, tensor<8xf32> -> tensor<2x8xf32>
  return %5, %6 : tensor<2x8xf32>, tensor<2x8xf32>
}

// -----

// Rows that are numbered through get their numbers behind the layer; a bias stands second.
// CHECK-LABEL: func.func @layer(
// CHECK-SAME: %[[X:.*]]: tensor<2x4x8xf32>, %[[W:.*]]: tensor<8x6xf32>, %[[B:.*]]: tensor<6xf32>
// TWICE-LABEL: func.func @layer(
// TWICE: train.matmul %{{.*}} : tensor<2x4x8xf32>, tensor<8x6xf32> -> tensor<2x4x6xf32>
// TWICE-NEXT: train.add
// TWICE-NEXT: return
func.func @layer(%x: tensor<2x4x8xf32>, %w: tensor<8x6xf32>, %b: tensor<6xf32>) -> tensor<2x4x6xf32> {
  // CHECK: %[[Y:.*]] = train.matmul %[[X]], %[[W]] {fp8.name = "fc"} : tensor<2x4x8xf32>, tensor<8x6xf32> -> tensor<2x4x6xf32>
  // CHECK: %[[Z:.*]] = train.add %[[Y]], %[[B]] : tensor<2x4x6xf32>, tensor<6xf32> -> tensor<2x4x6xf32>
  // CHECK: return %[[Z]]
  %0 = train.reshape %x : tensor<2x4x8xf32> -> tensor<8x8xf32>
  %1 = train.matmul %0, %w {fp8.name = "fc"} : tensor<8x8xf32>, tensor<8x6xf32> -> tensor<8x6xf32>
  %2 = train.add %b, %1 : tensor<6xf32>, tensor<8x6xf32> -> tensor<8x6xf32>
  %3 = train.reshape %2 : tensor<8x6xf32> -> tensor<2x4x6xf32>
  return %3 : tensor<2x4x6xf32>
}

// -----

// Attention of one head for two, whose mask is computed of positions.
// CHECK-LABEL: func.func @attention(
// CHECK-SAME: %[[Q:.*]]: tensor<1x3x8xf32>, %[[K:.*]]: tensor<1x3x4xf32>, %[[V:.*]]: tensor<1x3x4xf32>
func.func @attention(%q: tensor<1x3x8xf32>, %k: tensor<1x3x4xf32>, %v: tensor<1x3x4xf32>) -> tensor<1x3x8xf32> {
  // CHECK: %[[O:.*]], %{{.*}} = train.attention %[[Q]], %[[K]], %[[V]] {causal, fp8.name = "att", heads = 2 : i64, kv_heads = 1 : i64, scale = 5.000000e-01 : f32}
  // CHECK-NOT: train.softmax
  // TWICE-LABEL: func.func @attention(
  // TWICE-NEXT: train.attention
  // TWICE-NEXT: return
  %half = arith.constant dense<0.5> : tensor<f32>
  %lowest = arith.constant dense<-3.0e38> : tensor<f32>
  %rows = arith.constant dense<[[0], [1], [2]]> : tensor<3x1xi64>
  %columns = arith.constant dense<[[0, 1, 2]]> : tensor<1x3xi64>
  %hidden = train.compare gt %columns, %rows : tensor<1x3xi64>, tensor<3x1xi64> -> tensor<3x3xi1>
  %0 = train.reshape %q : tensor<1x3x8xf32> -> tensor<1x3x2x4xf32>
  %1 = train.transpose %0 [0, 2, 1, 3] : tensor<1x3x2x4xf32> -> tensor<1x2x3x4xf32>
  %2 = train.reshape %k : tensor<1x3x4xf32> -> tensor<1x1x3x4xf32>
  %3 = train.broadcast_to %2 : tensor<1x1x3x4xf32> -> tensor<1x2x3x4xf32>
  %4 = train.reshape %v : tensor<1x3x4xf32> -> tensor<1x1x3x4xf32>
  %5 = train.broadcast_to %4 : tensor<1x1x3x4xf32> -> tensor<1x2x3x4xf32>
  %6 = train.matmul %1, %3 contracting [3] x [3] {batch = 2} : tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32> -> tensor<1x2x3x3xf32>
  %7 = train.mul %6, %half : tensor<1x2x3x3xf32>, tensor<f32> -> tensor<1x2x3x3xf32>
  %8 = train.select %hidden, %lowest, %7 : tensor<3x3xi1>, tensor<f32>, tensor<1x2x3x3xf32> -> tensor<1x2x3x3xf32>
  %9 = train.softmax %8 : tensor<1x2x3x3xf32> -> tensor<1x2x3x3xf32>
  %10 = train.matmul %9, %5 {batch = 2, fp8.name = "att"} : tensor<1x2x3x3xf32>, tensor<1x2x3x4xf32> -> tensor<1x2x3x4xf32>
  %11 = train.transpose %10 [0, 2, 1, 3] : tensor<1x2x3x4xf32> -> tensor<1x3x2x4xf32>
  %12 = train.reshape %11 : tensor<1x3x2x4xf32> -> tensor<1x3x8xf32>
  return %12 : tensor<1x3x8xf32>
}

// -----

// Products of one value stand together, and variables as they are read.
// CHECK: train.variable @a
// CHECK-NEXT: train.variable @b
train.variable @b : tensor<4x4xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @a : tensor<4x4xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
// CHECK-LABEL: func.func @forward(
func.func @forward(%x: tensor<2x4xf32>) -> tensor<2x4xf32> attributes {train.function = #train.function<forward>} {
  // CHECK: train.read @a
  // CHECK-NEXT: %[[A:.*]] = train.matmul
  // CHECK-NEXT: train.read @b
  // CHECK-NEXT: %[[B:.*]] = train.matmul
  // CHECK-NEXT: train.sigmoid %[[A]]
  %a = train.read @a : tensor<4x4xf32>
  %0 = train.matmul %x, %a : tensor<2x4xf32>, tensor<4x4xf32> -> tensor<2x4xf32>
  %1 = train.sigmoid %0 : tensor<2x4xf32> -> tensor<2x4xf32>
  %b = train.read @b : tensor<4x4xf32>
  %2 = train.matmul %x, %b : tensor<2x4xf32>, tensor<4x4xf32> -> tensor<2x4xf32>
  // CHECK: train.mul %{{.*}}, %[[B]]
  %3 = train.mul %2, %1 : tensor<2x4xf32>, tensor<2x4xf32> -> tensor<2x4xf32>
  return %3 : tensor<2x4xf32>
}

// -----

// Nothing of no size is looked into.
// CHECK-LABEL: func.func @empty(
func.func @empty(%q: tensor<1x2x0x4xf32>, %k: tensor<1x2x0x4xf32>, %x: tensor<1x2x3x0xf32>) -> (tensor<1x2x0x4xf32>, tensor<1x2x3x0xf32>) {
  // CHECK: train.softmax
  %c = arith.constant dense<> : tensor<1x1x3x0xf32>
  %0 = train.matmul %q, %k contracting [3] x [3] {batch = 2} : tensor<1x2x0x4xf32>, tensor<1x2x0x4xf32> -> tensor<1x2x0x0xf32>
  %1 = train.softmax %0 : tensor<1x2x0x0xf32> -> tensor<1x2x0x0xf32>
  %2 = train.matmul %1, %k {batch = 2} : tensor<1x2x0x0xf32>, tensor<1x2x0x4xf32> -> tensor<1x2x0x4xf32>
  %3 = train.mul %x, %c : tensor<1x2x3x0xf32>, tensor<1x1x3x0xf32> -> tensor<1x2x3x0xf32>
  %4 = train.add %x, %3 : tensor<1x2x3x0xf32>, tensor<1x2x3x0xf32> -> tensor<1x2x3x0xf32>
  return %2, %4 : tensor<1x2x0x4xf32>, tensor<1x2x3x0xf32>
}

// -----

func.func @left_alone(%x: tensor<2x8xf32>) -> tensor<2x8xf32> {
  %n = arith.constant dense<0.125> : tensor<f32>
  %e = arith.constant dense<1.0e-5> : tensor<f32>
  %0 = train.mul %x, %x : tensor<2x8xf32>, tensor<2x8xf32> -> tensor<2x8xf32>
  %1 = train.reduce_sum %0 axes [1] {keepdims} : tensor<2x8xf32> -> tensor<2x1xf32>
  %2 = train.mul %1, %n : tensor<2x1xf32>, tensor<f32> -> tensor<2x1xf32>
  %3 = train.add %2, %e : tensor<2x1xf32>, tensor<f32> -> tensor<2x1xf32>
  %4 = train.add %3, %e : tensor<2x1xf32>, tensor<f32> -> tensor<2x1xf32>
  %5 = train.rsqrt %4 : tensor<2x1xf32> -> tensor<2x1xf32>
  // expected-remark @+1 {{looks like a norm, but what is under its root is not the mean of squares and one epsilon above zero}}
  %6 = train.mul %x, %5 : tensor<2x8xf32>, tensor<2x1xf32> -> tensor<2x8xf32>
  return %6 : tensor<2x8xf32>
}

// -----

// Scores of five dimensions, and of three throughout, whose first one is batch and heads.
// CHECK-LABEL: func.func @other_ranks(
// CHECK-NOT: train.attention
func.func @other_ranks(%q: tensor<1x2x2x3x4xf32>, %k: tensor<1x2x2x3x4xf32>, %v: tensor<1x4x3x4xf32>, %u: tensor<4x3x4xf32>) -> (tensor<1x4x3x4xf32>, tensor<4x3x4xf32>) {
  %0 = train.matmul %q, %k contracting [4] x [4] {batch = 3} : tensor<1x2x2x3x4xf32>, tensor<1x2x2x3x4xf32> -> tensor<1x2x2x3x3xf32>
  %1 = train.reshape %0 : tensor<1x2x2x3x3xf32> -> tensor<1x4x3x3xf32>
  %2 = train.softmax %1 : tensor<1x4x3x3xf32> -> tensor<1x4x3x3xf32>
  %3 = train.matmul %2, %v {batch = 2} : tensor<1x4x3x3xf32>, tensor<1x4x3x4xf32> -> tensor<1x4x3x4xf32>
  %4 = train.matmul %u, %u contracting [2] x [2] {batch = 1} : tensor<4x3x4xf32>, tensor<4x3x4xf32> -> tensor<4x3x3xf32>
  %5 = train.softmax %4 : tensor<4x3x3xf32> -> tensor<4x3x3xf32>
  // expected-remark @+1 {{attention stays in parts: it does not tell heads from sequences}}
  %6 = train.matmul %5, %u {batch = 1} : tensor<4x3x3xf32>, tensor<4x3x4xf32> -> tensor<4x3x4xf32>
  return %3, %6 : tensor<1x4x3x4xf32>, tensor<4x3x4xf32>
}

// -----

// A number chooses where it is positive: here nothing is hidden.
// CHECK-LABEL: func.func @condition_of_numbers(
func.func @condition_of_numbers(%q: tensor<1x2x3x4xf32>, %k: tensor<1x2x3x4xf32>, %v: tensor<1x2x3x4xf32>) -> tensor<1x2x3x4xf32> {
  // CHECK: train.attention %{{.*}} {heads = 2 : i64
  %c = arith.constant dense<[[0.0, -2.0, -2.0], [0.0, 0.0, -2.0], [0.0, 0.0, 0.0]]> : tensor<3x3xf32>
  %lowest = arith.constant dense<-1.0e9> : tensor<f32>
  %0 = train.matmul %q, %k contracting [3] x [3] {batch = 2} : tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32> -> tensor<1x2x3x3xf32>
  %1 = train.select %c, %lowest, %0 : tensor<3x3xf32>, tensor<f32>, tensor<1x2x3x3xf32> -> tensor<1x2x3x3xf32>
  %2 = train.softmax %1 : tensor<1x2x3x3xf32> -> tensor<1x2x3x3xf32>
  %3 = train.matmul %2, %v {batch = 2} : tensor<1x2x3x3xf32>, tensor<1x2x3x4xf32> -> tensor<1x2x3x4xf32>
  return %3 : tensor<1x2x3x4xf32>
}

// -----

// Values and queries with dimensions of their own.
// CHECK-LABEL: func.func @more_dimensions(
// CHECK-NOT: train.attention
func.func @more_dimensions(%q: tensor<1x2x3x4xf32>, %v: tensor<1x2x3x4x5xf32>, %r: tensor<1x2x3x5x4xf32>, %k: tensor<1x2x4xf32>, %u: tensor<1x2x5x4xf32>)
    -> (tensor<1x2x3x4x5xf32>, tensor<1x2x3x4xf32>) {
  %0 = train.matmul %q, %q contracting [3] x [3] {batch = 2} : tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32> -> tensor<1x2x3x3xf32>
  %1 = train.softmax %0 : tensor<1x2x3x3xf32> -> tensor<1x2x3x3xf32>
  %2 = train.matmul %1, %v contracting [3] x [2] {batch = 2} : tensor<1x2x3x3xf32>, tensor<1x2x3x4x5xf32> -> tensor<1x2x3x4x5xf32>
  %3 = train.matmul %r, %k contracting [4] x [2] {batch = 2} : tensor<1x2x3x5x4xf32>, tensor<1x2x4xf32> -> tensor<1x2x3x5xf32>
  %4 = train.softmax %3 : tensor<1x2x3x5xf32> -> tensor<1x2x3x5xf32>
  %5 = train.matmul %4, %u {batch = 2} : tensor<1x2x3x5xf32>, tensor<1x2x5x4xf32> -> tensor<1x2x3x4xf32>
  return %2, %5 : tensor<1x2x3x4x5xf32>, tensor<1x2x3x4xf32>
}

// -----

// A mask whose integers no float is sure of is computed when the program runs.
// CHECK-LABEL: func.func @large_integers(
// CHECK: %[[HIDES:.*]] = train.compare lt
// CHECK: %[[BIAS:.*]] = train.select %{{.*}}, %{{.*}}, %{{.*}} : tensor<1x1x3x3xi1>, tensor<f32>, tensor<f32> -> tensor<1x1x3x3xf32>
// CHECK: train.attention %{{.*}}, %{{.*}}, %{{.*}} bias %[[BIAS]] {heads = 2
func.func @large_integers(%q: tensor<1x2x3x4xf32>) -> tensor<1x2x3x4xf32> {
  %large = arith.constant dense<[[9223372036854775807, 0, 0]]> : tensor<1x3xi64>
  %rows = arith.constant dense<[[0], [1], [2]]> : tensor<3x1xi64>
  %zero = arith.constant dense<0> : tensor<i64>
  %lowest = arith.constant dense<-3.4e38> : tensor<f32>
  %0 = train.matmul %q, %q contracting [3] x [3] {batch = 2} : tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32> -> tensor<1x2x3x3xf32>
  %1 = train.add %rows, %large : tensor<3x1xi64>, tensor<1x3xi64> -> tensor<3x3xi64>
  %2 = train.compare lt %1, %zero : tensor<3x3xi64>, tensor<i64> -> tensor<3x3xi1>
  %3 = train.select %2, %lowest, %0 : tensor<3x3xi1>, tensor<f32>, tensor<1x2x3x3xf32> -> tensor<1x2x3x3xf32>
  %4 = train.softmax %3 : tensor<1x2x3x3xf32> -> tensor<1x2x3x3xf32>
  %5 = train.matmul %4, %q {batch = 2} : tensor<1x2x3x3xf32>, tensor<1x2x3x4xf32> -> tensor<1x2x3x4xf32>
  return %5 : tensor<1x2x3x4xf32>
}

// -----

// Scores that are capped, with what is added after that; and what is added before.
// CHECK-LABEL: func.func @capped(
// CHECK: %[[LOWEST:.*]] = train.compare eq %arg1
// CHECK: %[[BIAS:.*]] = train.select %[[LOWEST]], %{{.*}}, %arg1
// CHECK: train.attention %{{.*}}, %{{.*}}, %{{.*}} bias %[[BIAS]] {heads = 2 : i64, kv_heads = 2 : i64, scale = 2.500000e-01 : f32, softcap = 5.000000e+00 : f32}
// CHECK: train.softmax
func.func @capped(%q: tensor<1x2x3x4xf32>, %b: tensor<1x2x3x3xf32>) -> (tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>) {
  %scale = arith.constant dense<0.05> : tensor<f32>
  %cap = arith.constant dense<5.0> : tensor<f32>
  %0 = train.matmul %q, %q contracting [3] x [3] {batch = 2} : tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32> -> tensor<1x2x3x3xf32>
  %1 = train.mul %0, %scale : tensor<1x2x3x3xf32>, tensor<f32> -> tensor<1x2x3x3xf32>
  %2 = train.tanh %1 : tensor<1x2x3x3xf32> -> tensor<1x2x3x3xf32>
  %3 = train.mul %cap, %2 : tensor<f32>, tensor<1x2x3x3xf32> -> tensor<1x2x3x3xf32>
  %4 = train.add %b, %3 : tensor<1x2x3x3xf32>, tensor<1x2x3x3xf32> -> tensor<1x2x3x3xf32>
  %5 = train.softmax %4 : tensor<1x2x3x3xf32> -> tensor<1x2x3x3xf32>
  %6 = train.matmul %5, %q {batch = 2} : tensor<1x2x3x3xf32>, tensor<1x2x3x4xf32> -> tensor<1x2x3x4xf32>
  %7 = train.add %1, %b : tensor<1x2x3x3xf32>, tensor<1x2x3x3xf32> -> tensor<1x2x3x3xf32>
  %8 = train.tanh %7 : tensor<1x2x3x3xf32> -> tensor<1x2x3x3xf32>
  %9 = train.softmax %8 : tensor<1x2x3x3xf32> -> tensor<1x2x3x3xf32>
  // expected-remark @+1 {{attention stays in parts: it adds to its scores before it caps them}}
  %10 = train.matmul %9, %q {batch = 2} : tensor<1x2x3x3xf32>, tensor<1x2x3x4xf32> -> tensor<1x2x3x4xf32>
  return %6, %10 : tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>
}

// -----

// Keys before a length, in rows that are cleared where there is none: of the condition for rows nothing is left.
// CHECK-LABEL: func.func @lengths(
// CHECK: train.attention %{{.*}}, %{{.*}}, %{{.*}} lengths %arg1 {causal, heads = 2
// CHECK-NOT: train.select
func.func @lengths(%q: tensor<2x2x3x4xf32>, %n: tensor<2xi64>) -> tensor<2x2x3x4xf32> {
  %keys = arith.constant dense<[0, 1, 2]> : tensor<3xi64>
  %lowest = arith.constant dense<-3.0e38> : tensor<f32>
  %zero = arith.constant dense<0.0> : tensor<f32>
  %causal = arith.constant dense<[[0.0, -1.0e9, -1.0e9], [0.0, 0.0, -1.0e9], [0.0, 0.0, 0.0]]> : tensor<3x3xf32>
  %0 = train.matmul %q, %q contracting [3] x [3] {batch = 2} : tensor<2x2x3x4xf32>, tensor<2x2x3x4xf32> -> tensor<2x2x3x3xf32>
  %1 = train.add %0, %causal : tensor<2x2x3x3xf32>, tensor<3x3xf32> -> tensor<2x2x3x3xf32>
  %2 = train.reshape %n : tensor<2xi64> -> tensor<2x1x1x1xi64>
  %3 = train.compare lt %keys, %2 : tensor<3xi64>, tensor<2x1x1x1xi64> -> tensor<2x1x1x3xi1>
  %4 = train.select %3, %1, %lowest : tensor<2x1x1x3xi1>, tensor<2x2x3x3xf32>, tensor<f32> -> tensor<2x2x3x3xf32>
  %5 = train.softmax %4 : tensor<2x2x3x3xf32> -> tensor<2x2x3x3xf32>
  %6 = train.convert %3 : tensor<2x1x1x3xi1> -> tensor<2x1x1x3xf32>
  %7 = train.reduce_max %6 axes [3] {keepdims} : tensor<2x1x1x3xf32> -> tensor<2x1x1x1xf32>
  %8 = train.select %7, %5, %zero : tensor<2x1x1x1xf32>, tensor<2x2x3x3xf32>, tensor<f32> -> tensor<2x2x3x3xf32>
  %9 = train.matmul %8, %q {batch = 2} : tensor<2x2x3x3xf32>, tensor<2x2x3x4xf32> -> tensor<2x2x3x4xf32>
  return %9 : tensor<2x2x3x4xf32>
}
