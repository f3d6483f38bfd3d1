// RUN: fp8c-opt %s -split-input-file --train-order-gradients=window=8 | FileCheck %s

// Matrices' gradients wait for the large last one, which needs what leads to it alone; no more of them than the window has room for.
train.grid @grid [dp = 2]
train.variable @a : tensor<4xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @a.grad : tensor<4xf32> {init = #train.constant<0.0>, of = @a, role = #train.role<gradient>}
train.variable @b : tensor<4xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @b.grad : tensor<4xf32> {init = #train.constant<0.0>, of = @b, role = #train.role<gradient>}
train.variable @c : tensor<4xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @c.grad : tensor<4xf32> {init = #train.constant<0.0>, of = @c, role = #train.role<gradient>}
train.variable @table : tensor<8xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @table.grad : tensor<8xf32> {init = #train.constant<0.0>, of = @table, role = #train.role<gradient>}
train.variable @small : tensor<1xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @small.grad : tensor<1xf32> {init = #train.constant<0.0>, of = @small, role = #train.role<gradient>}

// CHECK-LABEL: func.func @micro(
func.func @micro(%x: tensor<4xf32>, %y: tensor<8xf32>, %z: tensor<1xf32>) attributes {train.function = #train.function<micro>} {
  // CHECK: %[[A:.*]] = train.exp %arg0
  // CHECK-NEXT: train.assign @a.grad, %[[A]]
  // CHECK-NEXT: %[[FIRST:.*]] = train.relu %arg1
  // CHECK-NEXT: %[[NEXT:.*]] = train.relu %[[FIRST]]
  // CHECK-NEXT: %[[TABLE:.*]] = train.exp %[[NEXT]]
  // CHECK-NEXT: %[[B:.*]] = train.exp %arg0
  // CHECK-NEXT: train.assign @b.grad, %[[B]]
  // CHECK-NEXT: %[[C:.*]] = train.exp %arg0
  // CHECK-NEXT: train.assign @c.grad, %[[C]]
  // CHECK-NEXT: train.assign @table.grad, %[[TABLE]]
  // CHECK-NEXT: %[[SMALL:.*]] = train.exp %arg2
  // CHECK-NEXT: train.assign @small.grad, %[[SMALL]]
  %a = train.exp %x : tensor<4xf32> -> tensor<4xf32>
  train.assign @a.grad, %a : tensor<4xf32>
  %b = train.exp %x : tensor<4xf32> -> tensor<4xf32>
  train.assign @b.grad, %b : tensor<4xf32>
  %first = train.relu %y : tensor<8xf32> -> tensor<8xf32>
  %c = train.exp %x : tensor<4xf32> -> tensor<4xf32>
  train.assign @c.grad, %c : tensor<4xf32>
  %next = train.relu %first : tensor<8xf32> -> tensor<8xf32>
  %table = train.exp %next : tensor<8xf32> -> tensor<8xf32>
  train.assign @table.grad, %table : tensor<8xf32>
  %small = train.exp %z : tensor<1xf32> -> tensor<1xf32>
  train.assign @small.grad, %small : tensor<1xf32>
  return
}

// -----

// What reads a variable stays before what assigns it.
train.grid @grid [dp = 2]
train.variable @a : tensor<4xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @a.grad : tensor<4xf32> {init = #train.constant<0.0>, of = @a, role = #train.role<gradient>}
train.variable @table : tensor<8xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @table.grad : tensor<8xf32> {init = #train.constant<0.0>, of = @table, role = #train.role<gradient>}

// CHECK-LABEL: func.func @micro(
func.func @micro(%x: tensor<4xf32>, %y: tensor<8xf32>) attributes {train.function = #train.function<micro>} {
  // CHECK: train.assign @a.grad
  // CHECK-NEXT: train.read @a.grad
  %a = train.exp %x : tensor<4xf32> -> tensor<4xf32>
  train.assign @a.grad, %a : tensor<4xf32>
  %0 = train.read @a.grad accumulated : tensor<4xf32>
  %1 = train.concat %0, %0 axis 0 : tensor<4xf32>, tensor<4xf32> -> tensor<8xf32>
  %table = train.add %1, %y : tensor<8xf32>, tensor<8xf32> -> tensor<8xf32>
  train.assign @table.grad, %table : tensor<8xf32>
  return
}

// -----

// One process has nobody to wait for.
train.variable @a : tensor<4xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @a.grad : tensor<4xf32> {init = #train.constant<0.0>, of = @a, role = #train.role<gradient>}
train.variable @table : tensor<8xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
train.variable @table.grad : tensor<8xf32> {init = #train.constant<0.0>, of = @table, role = #train.role<gradient>}
// CHECK-LABEL: func.func @micro(
func.func @micro(%x: tensor<4xf32>, %y: tensor<8xf32>) attributes {train.function = #train.function<micro>} {
  // CHECK: train.assign @a.grad
  // CHECK: train.assign @table.grad
  %a = train.exp %x : tensor<4xf32> -> tensor<4xf32>
  train.assign @a.grad, %a : tensor<4xf32>
  %table = train.exp %y : tensor<8xf32> -> tensor<8xf32>
  train.assign @table.grad, %table : tensor<8xf32>
  return
}
