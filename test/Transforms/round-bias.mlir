// RUN: fp8c-opt --exec-set-target=target=cuda --train-round-bias %s | FileCheck %s
// RUN: fp8c-opt --exec-set-target=target=cuda --train-round-bias --train-materialize-compute-weights --train-form-fusions --convert-to-exec %s | FileCheck %s --check-prefix=EXEC

// EXEC: exec.variable @b.bf16 : memref<32xbf16>
train.variable @b : tensor<32xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}

// The parts of the sum are read by library calls: the GEMM can write it.
// CHECK-LABEL: func.func @forward
// EXEC-LABEL: func.func @forward
func.func @forward(%x: tensor<4x16xbf16>, %w: tensor<16x32xbf16>) -> (tensor<4x16xbf16>, tensor<4x16xbf16>) attributes {train.function = #train.function<forward>} {
  // CHECK: %[[B:.*]] = train.read @b
  %b = train.read @b : tensor<32xf32>
  // CHECK: %[[FC:.*]] = train.matmul
  %fc = train.matmul %x, %w {fp8.name = "fc"} : tensor<4x16xbf16>, tensor<16x32xbf16> -> tensor<4x32xbf16>
  // CHECK-NEXT: %[[CAST:.*]] = train.cast %[[B]] : tensor<32xf32> -> tensor<32xbf16>
  // CHECK-NEXT: train.add %[[FC]], %[[CAST]]
  // EXEC: %[[BIAS:.*]] = exec.get @b.bf16
  // EXEC: exec.gemm %{{.*}}, %{{.*}} into %{{.*}} {{.*}}bias %[[BIAS]]
  // EXEC-NOT: exec.launch
  // EXEC: return
  %h = train.add %fc, %b {fp8.name = "fc.bias"} : tensor<4x32xbf16>, tensor<32xf32> -> tensor<4x32xbf16>
  %p, %q = train.split %h axis 1 : tensor<4x32xbf16> -> tensor<4x16xbf16>, tensor<4x16xbf16>
  return %p, %q : tensor<4x16xbf16>, tensor<4x16xbf16>
}

// A kernel adds the bias as it goes: in full precision.
// CHECK-LABEL: func.func @fused
func.func @fused(%x: tensor<4x16xbf16>, %w: tensor<16x32xbf16>) -> tensor<4x32xbf16> {
  %b = train.read @b : tensor<32xf32>
  %fc = train.matmul %x, %w : tensor<4x16xbf16>, tensor<16x32xbf16> -> tensor<4x32xbf16>
  // CHECK-NOT: train.cast
  %h = train.add %fc, %b : tensor<4x32xbf16>, tensor<32xf32> -> tensor<4x32xbf16>
  %y = train.gelu %h {tanh} : tensor<4x32xbf16> -> tensor<4x32xbf16>
  return %y : tensor<4x32xbf16>
}
