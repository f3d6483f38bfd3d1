// One recipe after another: what the first decided is forgotten; what is lowered stays so,
// with its reason. Rules that match nothing are remarks outside of programs.
// RUN: %mlir-opt-fp8c %s --pass-pipeline='builtin.module(fp8-assign-precision{recipe=fp8-current},fp8-assign-precision{recipe=bf16},fp8-insert-scaling)' | FileCheck %s --check-prefix=BF16
// RUN: %mlir-opt-fp8c %s --pass-pipeline='builtin.module(fp8-assign-precision{recipe=fp8-current},fp8-insert-scaling,fp8-assign-precision{recipe=fp8-current},fp8-insert-scaling)' 2>%t | FileCheck %s --check-prefix=TWICE
// RUN: FileCheck %s --check-prefix=SILENT --allow-empty <%t
// RUN: %mlir-opt-fp8c %s --pass-pipeline='builtin.module(fp8-assign-precision{recipe=fp8-block})' 2>&1 | FileCheck %s --check-prefix=RULE
// BF16: linalg.matmul
// BF16-NOT: fp8.precision
// TWICE: fp8.matmul {{.*}}fp8.why = "fp8-current.yaml:
// SILENT-NOT: remark
// RULE: remark: the rule matches nothing in this module
// RULE: fp8.precision
func.func @f(%x: tensor<128x128xf32>) -> tensor<128x128xf32> {
  %0 = linalg.matmul ins(%x, %x : tensor<128x128xf32>, tensor<128x128xf32>) outs(%x : tensor<128x128xf32>) -> tensor<128x128xf32>
  return %0 : tensor<128x128xf32>
}
