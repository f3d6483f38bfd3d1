// RUN: fp8c-opt %s | fp8c-opt | FileCheck %s
// RUN: fp8c-opt %s --mlir-print-op-generic | fp8c-opt | FileCheck %s

// CHECK: train.grid @grid [dp = 4, "tensor parts" = 2]
train.grid @grid [dp = 4, "tensor parts" = 2]

// CHECK-LABEL: func.func @join(
func.func @join(%g: tensor<4x8xf32>, %s: !fp8.scale_state<f8E4M3FN, 16>, %t: !fp8.scale_state<f8E5M2, 4>) -> tensor<4x8xf32> {
  // CHECK: %[[H:.*]] = train.all_reduce %{{.*}} sum over ["dp"] : tensor<4x8xf32>
  %h = train.all_reduce %g sum over ["dp"] : tensor<4x8xf32>
  // CHECK: train.all_reduce %[[H]] max over ["dp", "tensor parts"] {fp8.name = "x"} : tensor<4x8xf32>
  %i = train.all_reduce %h max over ["dp", "tensor parts"] {fp8.name = "x"} : tensor<4x8xf32>
  // CHECK: fp8.agree %{{.*}}, %{{.*}} over ["dp"] : !fp8.scale_state<f8E4M3FN, 16>, !fp8.scale_state<f8E5M2, 4>
  %u:2 = fp8.agree %s, %t over ["dp"] : !fp8.scale_state<f8E4M3FN, 16>, !fp8.scale_state<f8E5M2, 4>
  return %i : tensor<4x8xf32>
}

// CHECK-LABEL: func.func @shares(
func.func @shares(%g: tensor<8x3xbf16>, %b: tensor<4xf32>, %q: !fp8.scaled<4x8xf8E4M3FN>) -> tensor<32x3xbf16> {
  // CHECK: %[[H:.*]]:2 = train.reduce_scatter %{{.*}}, %{{.*}} sum over ["dp"] : tensor<8x3xbf16>, tensor<4xf32> -> tensor<2x3xbf16>, tensor<1xf32>
  %h:2 = train.reduce_scatter %g, %b sum over ["dp"] : tensor<8x3xbf16>, tensor<4xf32> -> tensor<2x3xbf16>, tensor<1xf32>
  // CHECK: train.reduce_scatter %{{.*}} max over ["dp", "tensor parts"] : tensor<8x3xbf16> -> tensor<1x3xbf16>
  %m = train.reduce_scatter %g max over ["dp", "tensor parts"] : tensor<8x3xbf16> -> tensor<1x3xbf16>
  // CHECK: %[[A:.*]]:2 = train.all_gather %[[H]]#0, %[[H]]#1 over ["dp"] : tensor<2x3xbf16>, tensor<1xf32> -> tensor<8x3xbf16>, tensor<4xf32>
  %a:2 = train.all_gather %h#0, %h#1 over ["dp"] : tensor<2x3xbf16>, tensor<1xf32> -> tensor<8x3xbf16>, tensor<4xf32>
  // CHECK: train.all_to_all %[[A]]#0, %[[A]]#1 over ["dp"] : tensor<8x3xbf16>, tensor<4xf32>
  %t:2 = train.all_to_all %a#0, %a#1 over ["dp"] : tensor<8x3xbf16>, tensor<4xf32>
  // CHECK: %[[S:.*]] = fp8.reduce_scatter %{{.*}} over ["dp"] : !fp8.scaled<4x8xf8E4M3FN> -> !fp8.scaled<1x8xf8E4M3FN>
  %s = fp8.reduce_scatter %q over ["dp"] : !fp8.scaled<4x8xf8E4M3FN> -> !fp8.scaled<1x8xf8E4M3FN>
  // CHECK: fp8.all_gather %[[S]] over ["dp"] : !fp8.scaled<1x8xf8E4M3FN> -> !fp8.scaled<4x8xf8E4M3FN>
  %c = fp8.all_gather %s over ["dp"] : !fp8.scaled<1x8xf8E4M3FN> -> !fp8.scaled<4x8xf8E4M3FN>
  // CHECK: fp8.all_to_all %{{.*}}, %{{.*}} over ["dp"] : !fp8.scaled<4x8xf8E4M3FN>, !fp8.scaled<4x8xf8E4M3FN>
  %d:2 = fp8.all_to_all %c, %q over ["dp"] : !fp8.scaled<4x8xf8E4M3FN>, !fp8.scaled<4x8xf8E4M3FN>
  %r = train.all_gather %t#0 over ["dp"] : tensor<8x3xbf16> -> tensor<32x3xbf16>
  return %r : tensor<32x3xbf16>
}

train.variable @parts : tensor<3x4x8xbf16> {init = #train.constant<0.0>, role = #train.role<gradient_parts>}

// CHECK-LABEL: func.func @parts_of_micro_batches(
func.func @parts_of_micro_batches(%g: tensor<4x8xbf16>, %c: !fp8.scaled<3x4x8xf8E4M3FN>) -> (tensor<4x8xbf16>, !fp8.scaled<4x8xf8E4M3FN>) {
  %p = train.read @parts : tensor<3x4x8xbf16>
  %i = train.hyper "micro_batch"
  // CHECK: %[[ALL:.*]] = train.put_part %{{.*}} into %{{.*}} at %{{.*}} : tensor<4x8xbf16> into tensor<3x4x8xbf16>
  %q = train.put_part %g into %p at %i : tensor<4x8xbf16> into tensor<3x4x8xbf16>
  // CHECK: train.all_reduce %[[ALL]] sum over ["dp"] : tensor<3x4x8xbf16> -> tensor<4x8xbf16>
  %h = train.all_reduce %q sum over ["dp"] : tensor<3x4x8xbf16> -> tensor<4x8xbf16>
  // CHECK: fp8.all_reduce %{{.*}} over ["dp"] : !fp8.scaled<3x4x8xf8E4M3FN> -> !fp8.scaled<4x8xf8E4M3FN>
  %d = fp8.all_reduce %c over ["dp"] : !fp8.scaled<3x4x8xf8E4M3FN> -> !fp8.scaled<4x8xf8E4M3FN>
  return %h, %d : tensor<4x8xbf16>, !fp8.scaled<4x8xf8E4M3FN>
}
