// RUN: fp8c-opt %s --train-form-fusions --convert-to-exec | FileCheck %s

// A quantisation whose code nobody wants, as that of the first layer's gradients in @calibrate, still says how large its values are.
train.variable @dy.scale : !fp8.scale_state<f8E5M2, 16> {init = #train.constant<1.0>, role = #train.role<scale>}

// CHECK-LABEL: exec.kernel @quantize
// CHECK: exec.each {
// CHECK-NEXT: %[[X:.*]] = exec.load %arg0 full : memref<*xbf16>
// CHECK-NEXT: exec.amax %[[X]], %{{.*}} : memref<*xui32>
func.func @calibrate(%dy: tensor<8x32xbf16>, %scale: !fp8.scale<f8E5M2>) attributes {train.function = #train.function<calibrate>} {
  %state = train.read @dy.scale : !fp8.scale_state<f8E5M2, 16>
  %code, %stats = fp8.quantize %dy, %scale {fp8.name = "dy", fp8.phase = #fp8.phase<dgrad>} : tensor<8x32xbf16> -> !fp8.scaled<8x32xf8E5M2>
  %recorded = fp8.record %state, %stats : !fp8.scale_state<f8E5M2, 16>
  train.assign @dy.scale, %recorded : !fp8.scale_state<f8E5M2, 16>
  return
}
