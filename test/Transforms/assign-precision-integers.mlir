// RUN: fp8c-opt %s --fp8-assign-precision=recipe=bf16 | FileCheck %s

// Positions and their angles stay f32, with what else is made of them and tables alone; integers are nobody's to choose.

module {
  train.variable @table : tensor<32x8xf32> {init = #train.constant<1.0>, role = #train.role<frozen>}
  train.variable @frequencies : tensor<8xf32> {init = #train.constant<1.0>, role = #train.role<buffer>}
  // CHECK-LABEL: func.func @angles(
  func.func @angles(%positions: tensor<16x1xi64>, %x: tensor<16x8xf32>) -> (tensor<16x8xf32>, tensor<16x1xi64>) {
    // CHECK: train.convert {{.*}} : tensor<16x1xi64> -> tensor<16x1xf32>
    %p = train.convert %positions : tensor<16x1xi64> -> tensor<16x1xf32>
    %f = train.read @frequencies : tensor<8xf32>
    // CHECK: train.mul {{.*}}fp8.precision = #fp8.precision<result = f32, why = "computed from integers alone">
    %angles = train.mul %p, %f : tensor<16x1xf32>, tensor<8xf32> -> tensor<16x8xf32>
    // CHECK: train.cos {{.*}}fp8.precision = #fp8.precision<result = f32, why = "computed from integers alone">
    %cos = train.cos %angles : tensor<16x8xf32> -> tensor<16x8xf32>
    // CHECK: train.mul {{.*}}fp8.precision = #fp8.precision<result = bf16, why = "bf16.yaml:{{[0-9]+}} (result)">
    %y = train.mul %x, %cos : tensor<16x8xf32>, tensor<16x8xf32> -> tensor<16x8xf32>
    // CHECK: train.add %{{.*}}, %{{.*}} : tensor<16x1xi64>
    %next = train.add %positions, %positions : tensor<16x1xi64>, tensor<16x1xi64> -> tensor<16x1xi64>
    return %y, %next : tensor<16x8xf32>, tensor<16x1xi64>
  }
  // A mask is as exact as what it is made of; rows of a frozen table are like any other values.
  // CHECK-LABEL: func.func @rows(
  func.func @rows(%ids: tensor<16xi32>, %kept: tensor<16x1xi1>) -> (tensor<16x1xf32>, tensor<16x8xf32>) {
    %zero = arith.constant dense<0.0> : tensor<f32>
    %far = arith.constant dense<-1.0e9> : tensor<f32>
    // CHECK: train.select {{.*}}fp8.precision = #fp8.precision<result = f32, why = "computed from integers alone">
    %mask = train.select %kept, %zero, %far : tensor<16x1xi1>, tensor<f32>, tensor<f32> -> tensor<16x1xf32>
    %table = train.read @table : tensor<32x8xf32>
    %i = train.convert %ids : tensor<16xi32> -> tensor<16xi64>
    // CHECK: train.embedding {{.*}}fp8.precision = #fp8.precision<result = bf16
    %x = train.embedding %table, %i : tensor<32x8xf32>, tensor<16xi64> -> tensor<16x8xf32>
    return %mask, %x : tensor<16x1xf32>, tensor<16x8xf32>
  }
}
