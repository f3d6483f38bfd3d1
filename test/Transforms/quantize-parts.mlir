// RUN: fp8c-opt %s --fp8-quantize-parts | FileCheck %s

// Both parts by the scale of the last step, which moves before them; with their
// transposed copies, and both counted.
// CHECK-LABEL: func.func @parts
// CHECK: %[[STATE:.*]] = train.read @s
// CHECK: %[[SCALE:.*]] = fp8.current_scale %[[STATE]]
// CHECK: %[[A:.*]] = train.mul
// CHECK: %[[QA:.*]], %[[SA:.*]] = fp8.quantize %[[A]], %[[SCALE]]
// CHECK: %[[TA:.*]] = fp8.transpose %[[QA]] [1, 0]
// CHECK: %[[B:.*]] = train.add
// CHECK: %[[QB:.*]], %[[SB:.*]] = fp8.quantize %[[B]], %[[SCALE]]
// CHECK: %[[TB:.*]] = fp8.transpose %[[QB]] [1, 0]
// CHECK: fp8.concat %[[TA]], %[[TB]] axis 0 : !fp8.scaled<16x4xf8E5M2>, !fp8.scaled<32x4xf8E5M2> -> !fp8.scaled<48x4xf8E5M2>
// CHECK: fp8.concat %[[QA]], %[[QB]] axis 1
// CHECK: %[[RA:.*]] = fp8.record %[[STATE]], %[[SA]]
// CHECK: %[[RB:.*]] = fp8.record %[[RA]], %[[SB]]
// CHECK: train.assign @s, %[[RB]]
train.variable @s : !fp8.scale_state<f8E5M2, 16> {init = #train.constant<1.0>, role = #train.role<scale>}
func.func @parts(%x: tensor<4x16xbf16>, %y: tensor<4x32xbf16>, %w: !fp8.scaled<48x64xf8E4M3FN>, %v: !fp8.scaled<4x64xf8E4M3FN>) -> (tensor<4x64xbf16>, tensor<48x64xbf16>) {
  %a = train.mul %x, %x : tensor<4x16xbf16>, tensor<4x16xbf16> -> tensor<4x16xbf16>
  %b = train.add %y, %y : tensor<4x32xbf16>, tensor<4x32xbf16> -> tensor<4x32xbf16>
  %c = train.concat %a, %b axis 1 : tensor<4x16xbf16>, tensor<4x32xbf16> -> tensor<4x48xbf16>
  %state = train.read @s : !fp8.scale_state<f8E5M2, 16>
  %scale = fp8.current_scale %state : !fp8.scale_state<f8E5M2, 16>
  %q, %stats = fp8.quantize %c, %scale : tensor<4x48xbf16> -> !fp8.scaled<4x48xf8E5M2>
  %t = fp8.transpose %q [1, 0] : !fp8.scaled<4x48xf8E5M2> -> !fp8.scaled<48x4xf8E5M2>
  %dx = fp8.matmul %q, %w : !fp8.scaled<4x48xf8E5M2>, !fp8.scaled<48x64xf8E4M3FN> -> tensor<4x64xbf16>
  %dw = fp8.matmul %t, %v : !fp8.scaled<48x4xf8E5M2>, !fp8.scaled<4x64xf8E4M3FN> -> tensor<48x64xbf16>
  %next = fp8.record %state, %stats : !fp8.scale_state<f8E5M2, 16>
  train.assign @s, %next : !fp8.scale_state<f8E5M2, 16>
  return %dx, %dw : tensor<4x64xbf16>, tensor<48x64xbf16>
}

// What else reads the whole needs it; a part that somebody else reads, or whose
// columns would not begin where 16 bytes do, or that a library computes, would
// be written all the same.
// CHECK-LABEL: func.func @whole
// CHECK-NOT: fp8.concat
func.func @whole(%x: tensor<4x16xbf16>, %n: tensor<4x24xbf16>, %w: tensor<16x16xbf16>, %scale: !fp8.scale<f8E5M2>) -> (tensor<4x32xbf16>, tensor<4x16xbf16>, tensor<4x32xbf16>, tensor<4x32xbf16>, tensor<4x48xbf16>, tensor<4x32xbf16>) {
  %a = train.mul %x, %x : tensor<4x16xbf16>, tensor<4x16xbf16> -> tensor<4x16xbf16>
  %b = train.add %x, %x : tensor<4x16xbf16>, tensor<4x16xbf16> -> tensor<4x16xbf16>
  %c = train.concat %a, %b axis 1 : tensor<4x16xbf16>, tensor<4x16xbf16> -> tensor<4x32xbf16>
  %q, %s = fp8.quantize %c, %scale : tensor<4x32xbf16> -> !fp8.scaled<4x32xf8E5M2>
  %r = fp8.dequantize %q : !fp8.scaled<4x32xf8E5M2> -> tensor<4x32xbf16>
  %d = train.neg %x : tensor<4x16xbf16> -> tensor<4x16xbf16>
  %e = train.abs %x : tensor<4x16xbf16> -> tensor<4x16xbf16>
  %f = train.concat %d, %e axis 1 : tensor<4x16xbf16>, tensor<4x16xbf16> -> tensor<4x32xbf16>
  %q1, %s1 = fp8.quantize %f, %scale : tensor<4x32xbf16> -> !fp8.scaled<4x32xf8E5M2>
  %r1 = fp8.dequantize %q1 : !fp8.scaled<4x32xf8E5M2> -> tensor<4x32xbf16>
  %g = train.neg %n : tensor<4x24xbf16> -> tensor<4x24xbf16>
  %h = train.abs %n : tensor<4x24xbf16> -> tensor<4x24xbf16>
  %i = train.concat %g, %h axis 1 : tensor<4x24xbf16>, tensor<4x24xbf16> -> tensor<4x48xbf16>
  %q2, %s2 = fp8.quantize %i, %scale : tensor<4x48xbf16> -> !fp8.scaled<4x48xf8E5M2>
  %r2 = fp8.dequantize %q2 : !fp8.scaled<4x48xf8E5M2> -> tensor<4x48xbf16>
  %m = train.matmul %x, %w : tensor<4x16xbf16>, tensor<16x16xbf16> -> tensor<4x16xbf16>
  %j = train.sqrt %x : tensor<4x16xbf16> -> tensor<4x16xbf16>
  %k = train.concat %m, %j axis 1 : tensor<4x16xbf16>, tensor<4x16xbf16> -> tensor<4x32xbf16>
  %q3, %s3 = fp8.quantize %k, %scale : tensor<4x32xbf16> -> !fp8.scaled<4x32xf8E5M2>
  %r3 = fp8.dequantize %q3 : !fp8.scaled<4x32xf8E5M2> -> tensor<4x32xbf16>
  return %c, %d, %r, %r1, %r2, %r3 : tensor<4x32xbf16>, tensor<4x16xbf16>, tensor<4x32xbf16>, tensor<4x32xbf16>, tensor<4x48xbf16>, tensor<4x32xbf16>
}
