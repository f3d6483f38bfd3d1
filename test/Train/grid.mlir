// RUN: fp8c-opt %s | fp8c-opt | FileCheck %s
// RUN: fp8c-opt %s --mlir-print-op-generic | fp8c-opt | FileCheck %s

// CHECK: train.grid @grid [dp = 4, "tensor parts" = 2]
train.grid @grid [dp = 4, "tensor parts" = 2]

// CHECK-LABEL: func.func @join(
func.func @join(%g: tensor<4x8xf32>, %s: !fp8.scale_state<f8E4M3FN, 16>, %t: !fp8.scale_state<f8E5M2, 4>) -> tensor<4x8xf32> {
  // CHECK: %[[H:.*]] = train.all_reduce %{{.*}} sum over ["dp"] : tensor<4x8xf32>
  %h = train.all_reduce %g sum over ["dp"] : tensor<4x8xf32>
  // CHECK: train.all_reduce %[[H]] max over ["dp", "tensor parts"] {train.name = "x"} : tensor<4x8xf32>
  %i = train.all_reduce %h max over ["dp", "tensor parts"] {train.name = "x"} : tensor<4x8xf32>
  // CHECK: fp8.agree %{{.*}}, %{{.*}} over ["dp"] : !fp8.scale_state<f8E4M3FN, 16>, !fp8.scale_state<f8E5M2, 4>
  %u:2 = fp8.agree %s, %t over ["dp"] : !fp8.scale_state<f8E4M3FN, 16>, !fp8.scale_state<f8E5M2, 4>
  return %i : tensor<4x8xf32>
}
