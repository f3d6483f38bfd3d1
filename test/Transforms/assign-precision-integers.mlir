// RUN: fp8c-opt %s --fp8-assign-precision=recipe=bf16 | FileCheck %s

// Positions and their angles stay f32, with what else is made of them and tables alone; integers are nobody's to choose.

module {
  train.variable @frequencies : tensor<8xf32> {init = #train.constant<1.0>, role = #train.role<buffer>}
  // CHECK-LABEL: func.func @angles(
  func.func @angles(%positions: tensor<16x1xi64>, %x: tensor<16x8xf32>) -> (tensor<16x8xf32>, tensor<16x1xi64>) {
    // CHECK: train.convert {{.*}} : tensor<16x1xi64> -> tensor<16x1xf32>
    %p = train.convert %positions : tensor<16x1xi64> -> tensor<16x1xf32>
    %f = train.read @frequencies : tensor<8xf32>
    // CHECK: train.mul {{.*}}precision = {result = f32, why = "computed from integers alone"}
    %angles = train.mul %p, %f : tensor<16x1xf32>, tensor<8xf32> -> tensor<16x8xf32>
    // CHECK: train.cos {{.*}}precision = {result = f32, why = "computed from integers alone"}
    %cos = train.cos %angles : tensor<16x8xf32> -> tensor<16x8xf32>
    // CHECK: train.mul {{.*}}precision = {result = bf16, why = "bf16.yaml:{{[0-9]+}} (result)"}
    %y = train.mul %x, %cos : tensor<16x8xf32>, tensor<16x8xf32> -> tensor<16x8xf32>
    // CHECK: train.add %{{.*}}, %{{.*}} : tensor<16x1xi64>
    %next = train.add %positions, %positions : tensor<16x1xi64>, tensor<16x1xi64> -> tensor<16x1xi64>
    return %y, %next : tensor<16x8xf32>, tensor<16x1xi64>
  }
}
