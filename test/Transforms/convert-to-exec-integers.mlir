// RUN: fp8c-opt %s --train-fit-kernels --train-form-fusions --convert-to-exec | FileCheck %s

// Integers stay what they are from load to store; what becomes a float does so in the kernel.
// CHECK-LABEL: func.func @masked(
// CHECK: exec.launch @compare_and_select over[4, 16]
func.func @masked(%ids: tensor<4x16xi64>, %most: tensor<i64>, %mask: tensor<4x1xi1>, %x: tensor<4x16xbf16>) -> (tensor<4x16xbf16>, tensor<4x16xi64>) {
  %inside = train.compare lt %ids, %most : tensor<4x16xi64>, tensor<i64> -> tensor<4x16xi1>
  %kept = train.and %inside, %mask : tensor<4x16xi1>, tensor<4x1xi1> -> tensor<4x16xi1>
  %zero = arith.constant dense<0.0> : tensor<f32>
  %y = train.select %kept, %x, %zero : tensor<4x16xi1>, tensor<4x16xbf16>, tensor<f32> -> tensor<4x16xbf16>
  %two = arith.constant dense<2> : tensor<i64>
  %twice = train.mul %ids, %two : tensor<4x16xi64>, tensor<i64> -> tensor<4x16xi64>
  return %y, %twice : tensor<4x16xbf16>, tensor<4x16xi64>
}

// Reductions of integers and the choice of elements are calls.
// CHECK-LABEL: func.func @calls(
// CHECK: exec.sum_rows %arg0 into %{{.*}} : memref<4x6xi64>, memref<4x1xi64>
// CHECK: exec.gather_elements %arg1, %{{.*}} into %{{.*}} : memref<4x8xf32>, memref<4x1xi64>, memref<4x1xf32>
func.func @calls(%ids: tensor<4x6xi64>, %x: tensor<4x8xf32>) -> tensor<4x1xf32> {
  %sum = train.reduce_sum %ids axes [1] {keepdims} : tensor<4x6xi64> -> tensor<4x1xi64>
  %y = train.gather_elements %x, %sum : tensor<4x8xf32>, tensor<4x1xi64> -> tensor<4x1xf32>
  return %y : tensor<4x1xf32>
}

// CHECK: exec.kernel @compare_and_select rows ({{.*}}: memref<*xi64>, {{.*}}: memref<*xi64>, {{.*}}: memref<*xi1>, {{.*}}: memref<*xbf16>, {{.*}}: memref<*xbf16>)
// CHECK-DAG: %[[MOST:.*]] = exec.load %{{.*}} scalar : memref<*xi64>
// CHECK-DAG: %[[MASK:.*]] = exec.load %{{.*}} row : memref<*xi1>
// CHECK: %[[IDS:.*]] = exec.load %{{.*}} full : memref<*xi64>
// CHECK: %[[INSIDE:.*]] = arith.cmpi slt, %[[IDS]], %[[MOST]] : i64
// CHECK: %[[KEPT:.*]] = arith.andi %[[INSIDE]], %[[MASK]] : i1
// CHECK: arith.select %[[KEPT]], %{{.*}}, %{{.*}} : f32
// CHECK: exec.kernel @mul map ({{.*}}: memref<*xi64>, {{.*}}: memref<*xi64>)
// CHECK: arith.muli %{{.*}}, %{{.*}} : i64
