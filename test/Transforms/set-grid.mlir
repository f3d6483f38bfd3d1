// RUN: fp8c-opt %s --train-set-grid=dp=4 | FileCheck %s
// RUN: fp8c-opt %s --train-set-grid | FileCheck %s --check-prefix=ONE
// RUN: fp8c-opt %s --train-set-grid=reproducible | FileCheck %s --check-prefix=ALIKE
// RUN: not fp8c-opt %s --train-set-grid=dp=4 --train-set-grid=dp=4 2>&1 | FileCheck %s --check-prefix=TWICE
// RUN: not fp8c-opt %s --train-set-grid=dp=0 2>&1 | FileCheck %s --check-prefix=NONE

// CHECK: train.grid @{{.*}} [dp = 4]
// CHECK-NEXT: train.variable @grid
// ONE-NOT: train.grid
// ALIKE: module attributes {train.reproducible}
// ALIKE: train.grid @{{.*}} [dp = 1]
// TWICE: error: 'train.grid' op is there already
// NONE: error: dp = 0: a grid has 1 to 1048576 processes
train.variable @grid : tensor<8xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}
