// The target decides whether FP8 products are TN, unless the option does.
// RUN: fp8c-opt %s --exec-set-target=target=cuda --fp8-choose-layouts | FileCheck %s --check-prefix=TN
// RUN: fp8c-opt %s --fp8-choose-layouts=tn=true | FileCheck %s --check-prefix=TN
// RUN: fp8c-opt %s --exec-set-target=target=cpu --fp8-choose-layouts | FileCheck %s --check-prefix=ANY
// RUN: fp8c-opt %s --fp8-choose-layouts | FileCheck %s --check-prefix=ANY
// RUN: fp8c-opt %s --exec-set-target=target=cuda --fp8-choose-layouts=tn=false | FileCheck %s --check-prefix=ANY

// TN: fp8.transpose
// TN: fp8.matmul {{.*}} contracting [1] x [1]
// ANY-NOT: fp8.transpose
// ANY: fp8.matmul {{.*}} contracting [1] x [0]
func.func @product(%x: !fp8.scaled<16x16xf8E4M3FN>, %w: !fp8.scaled<16x32xf8E4M3FN>) -> tensor<16x32xbf16> {
  %y = fp8.matmul %x, %w contracting [1] x [0] : !fp8.scaled<16x16xf8E4M3FN>, !fp8.scaled<16x32xf8E4M3FN> -> tensor<16x32xbf16>
  return %y : tensor<16x32xbf16>
}
