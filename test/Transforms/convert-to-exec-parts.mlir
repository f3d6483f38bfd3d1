// RUN: fp8c-opt %s --train-form-fusions --convert-to-exec | FileCheck %s

// Parts of a product are read, turned and written where they lie; a kernel
// over elements becomes one over rows, and knows how they lie.
// CHECK-LABEL: func.func @parts
// CHECK: %[[Y:.*]] = exec.alloc : memref<2x4x128xf32>
// CHECK: exec.gemm {{.*}} into %[[Y]]
// CHECK: %[[Q:.*]] = exec.view %[[Y]] : memref<2x4x128xf32> to memref<2x4x32xf32, strided<[512, 128, 1]>>
// CHECK: %[[GATE:.*]] = exec.view %[[Y]][32]
// CHECK: %[[UP:.*]] = exec.view %[[Y]][80]
// CHECK: exec.rotary %[[Q]], {{.*}} into %[[Q]]
// CHECK: %[[Z:.*]] = exec.alloc : memref<2x4x96xf32>
// CHECK: %[[DGATE:.*]] = exec.view %[[Z]] : memref<2x4x96xf32> to memref<2x4x48xf32, strided<[384, 96, 1]>>
// CHECK: %[[DUP:.*]] = exec.view %[[Z]][48]
// CHECK: exec.launch @mul_add over[8, 48] ins(%[[GATE]], %[[UP]] : {{.*}}) outs(%[[DGATE]], %[[DUP]] :
// CHECK-NOT: exec.copy
// CHECK: exec.gemm %[[Z]],
func.func @parts(%x: tensor<2x4x16xf32>, %w: tensor<16x128xf32>, %v: tensor<96x16xf32>, %cos: tensor<4x8xf32>, %sin: tensor<4x8xf32>) -> (tensor<2x4x16xf32>, tensor<2x4x32xf32>) {
  %y = train.matmul %x, %w : tensor<2x4x16xf32>, tensor<16x128xf32> -> tensor<2x4x128xf32>
  %q, %gate, %up = train.split %y axis 2 : tensor<2x4x128xf32> -> tensor<2x4x32xf32>, tensor<2x4x48xf32>, tensor<2x4x48xf32>
  %r = train.rotary %q, %cos, %sin {heads = 2, rotary_dim = 16} : tensor<2x4x32xf32>, tensor<4x8xf32>, tensor<4x8xf32> -> tensor<2x4x32xf32>
  %n = train.neg %r : tensor<2x4x32xf32> -> tensor<2x4x32xf32>
  %a = train.mul %gate, %up : tensor<2x4x48xf32>, tensor<2x4x48xf32> -> tensor<2x4x48xf32>
  %b = train.add %gate, %up : tensor<2x4x48xf32>, tensor<2x4x48xf32> -> tensor<2x4x48xf32>
  %z = train.concat %a, %b axis 2 : tensor<2x4x48xf32>, tensor<2x4x48xf32> -> tensor<2x4x96xf32>
  %o = train.matmul %z, %v : tensor<2x4x96xf32>, tensor<96x16xf32> -> tensor<2x4x16xf32>
  return %o, %n : tensor<2x4x16xf32>, tensor<2x4x32xf32>
}

// Parts of 24 do not begin where 16 bytes of any type do: they are copied.
// CHECK-LABEL: func.func @copied
// CHECK-COUNT-2: exec.copy
// CHECK: exec.launch
func.func @copied(%x: tensor<4x16xf32>, %w: tensor<16x48xf32>) -> tensor<4x24xf32> {
  %y = train.matmul %x, %w : tensor<4x16xf32>, tensor<16x48xf32> -> tensor<4x48xf32>
  %a, %b = train.split %y axis 1 : tensor<4x48xf32> -> tensor<4x24xf32>, tensor<4x24xf32>
  %c = train.mul %a, %b : tensor<4x24xf32>, tensor<4x24xf32> -> tensor<4x24xf32>
  return %c : tensor<4x24xf32>
}

// Who turns queries of which somebody else wants to know what they were does so
// elsewhere.
// CHECK-LABEL: func.func @read_again
// CHECK: exec.rotary %[[Q:.*]], {{.*}} into %[[R:[0-9a-z]*]] {
// CHECK-NOT: into %[[Q]] {
func.func @read_again(%x: tensor<2x4x16xf32>, %w: tensor<16x64xf32>, %cos: tensor<4x8xf32>, %sin: tensor<4x8xf32>) -> (tensor<2x4x32xf32>, tensor<2x4x32xf32>) {
  %y = train.matmul %x, %w : tensor<2x4x16xf32>, tensor<16x64xf32> -> tensor<2x4x64xf32>
  %q, %k = train.split %y axis 2 : tensor<2x4x64xf32> -> tensor<2x4x32xf32>, tensor<2x4x32xf32>
  %r = train.rotary %q, %cos, %sin {heads = 2, rotary_dim = 16} : tensor<2x4x32xf32>, tensor<4x8xf32>, tensor<4x8xf32> -> tensor<2x4x32xf32>
  %n = train.neg %r : tensor<2x4x32xf32> -> tensor<2x4x32xf32>
  %m = train.mul %q, %k : tensor<2x4x32xf32>, tensor<2x4x32xf32> -> tensor<2x4x32xf32>
  return %n, %m : tensor<2x4x32xf32>, tensor<2x4x32xf32>
}

// Parts of a sequence: tokens of one sequence are not as far from those of the
// next as from each other.
// CHECK-LABEL: func.func @sequences
// CHECK: exec.copy
// CHECK: exec.rotary
// CHECK: exec.copy
// CHECK: exec.attention
func.func @sequences(%x: tensor<2x8x32xf32>, %cos: tensor<4x8xf32>, %sin: tensor<4x8xf32>) -> tensor<2x4x32xf32> {
  %a, %b = train.split %x axis 1 : tensor<2x8x32xf32> -> tensor<2x4x32xf32>, tensor<2x4x32xf32>
  %q = train.rotary %a, %cos, %sin {heads = 2, rotary_dim = 16} : tensor<2x4x32xf32>, tensor<4x8xf32>, tensor<4x8xf32> -> tensor<2x4x32xf32>
  %o, %lse = train.attention %q, %b, %b {causal, heads = 2, kv_heads = 2, scale = 0.25 : f32} : tensor<2x4x32xf32>, tensor<2x4x32xf32>, tensor<2x4x32xf32> -> tensor<2x4x32xf32>, tensor<2x2x4xf32>
  return %o : tensor<2x4x32xf32>
}

// A variable is what it was until it is assigned: its parts wait elsewhere.
// CHECK-LABEL: func.func @assigned
// CHECK: %[[V:.*]] = exec.get @v
// CHECK: %[[P:.*]] = exec.alloc
// CHECK: exec.launch @mul{{.*}} outs(%[[P]] :
// CHECK: exec.gemm %[[V]],
// CHECK: exec.copy %[[P]]
train.variable @v : tensor<32x16xf32> {init = #train.constant<0.0>, role = #train.role<buffer>}
func.func @assigned(%x: tensor<16x16xf32>, %y: tensor<16x16xf32>) -> tensor<32x16xf32> {
  %v = train.read @v : tensor<32x16xf32>
  %p = train.mul %x, %x : tensor<16x16xf32>, tensor<16x16xf32> -> tensor<16x16xf32>
  %m = train.matmul %v, %y : tensor<32x16xf32>, tensor<16x16xf32> -> tensor<32x16xf32>
  %s, %t = train.split %m axis 0 : tensor<32x16xf32> -> tensor<16x16xf32>, tensor<16x16xf32>
  %q = train.mul %s, %t : tensor<16x16xf32>, tensor<16x16xf32> -> tensor<16x16xf32>
  %c = train.concat %p, %q axis 0 : tensor<16x16xf32>, tensor<16x16xf32> -> tensor<32x16xf32>
  train.assign @v, %c : tensor<32x16xf32>
  return %m : tensor<32x16xf32>
}
