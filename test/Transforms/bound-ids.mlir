// RUN: fp8c-opt %s --train-bound-ids -split-input-file | FileCheck %s

// Ids that are reshaped or cut on their way are the same ids, and the smallest
// table counts; floats and what is computed with have no bound.
// CHECK-LABEL: func.func @tables(
// CHECK-SAME: tensor<2x4xi64> {fp8.name = "ids", train.ids = 30 : i64},
// CHECK-SAME: tensor<2x4xf32> {fp8.name = "mask"}, %{{.*}}: tensor<3xi64>)
func.func @tables(%large: tensor<50x8xf32>, %small: tensor<30x8xf32>,
                  %ids: tensor<2x4xi64> {fp8.name = "ids"},
                  %mask: tensor<2x4xf32> {fp8.name = "mask"}, %unused: tensor<3xi64>)
    -> (tensor<8x8xf32>, tensor<2x2x8xf32>) {
  %flat = train.reshape %ids : tensor<2x4xi64> -> tensor<8xi64>
  %cut = train.slice %ids at [0, 0] by [1, 1] : tensor<2x4xi64> -> tensor<2x2xi64>
  %x = train.embedding %large, %flat : tensor<50x8xf32>, tensor<8xi64> -> tensor<8x8xf32>
  %y = train.embedding %small, %cut : tensor<30x8xf32>, tensor<2x2xi64> -> tensor<2x2x8xf32>
  return %x, %y : tensor<8x8xf32>, tensor<2x2x8xf32>
}

// -----

// Labels are classes, without those that pad; what the loss ignores is said
// unless it is usual.
// CHECK-LABEL: func.func @labels(
// CHECK-SAME: tensor<4xi64> {train.ids = 50 : i64}, %{{.*}}: tensor<4xi64> {train.ids = 47 : i64, train.ignore_index = 3 : i64})
func.func @labels(%logits: tensor<4x50xf32>, %usual: tensor<4xi64>, %other: tensor<4xi64>)
    -> (tensor<f32>, tensor<f32>) {
  %a, %lse, %count = train.cross_entropy %logits, %usual : tensor<4x50xf32>, tensor<4xi64> -> tensor<f32>, tensor<4xf32>, tensor<f32>
  %b, %lse2, %count2 = train.cross_entropy %logits, %other {ignore_index = 3, classes = 47 : i64}
    : tensor<4x50xf32>, tensor<4xi64> -> tensor<f32>, tensor<4xf32>, tensor<f32>
  return %a, %b : tensor<f32>, tensor<f32>
}
