// No pass may skip what is behind the branch.
module {
train.variable @w : tensor<16x16xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}

func.func @f(%x: tensor<16x16xf32>) -> tensor<16x16xf32> {
  %w = train.read @w : tensor<16x16xf32>
  "other.branch"()[^behind] : () -> ()
^behind:
  %y = train.matmul %x, %w {fp8.name = "fc", fp8.precision = #fp8.precision<lhs = <f8E4M3FN>, rhs = <f8E4M3FN>>}
      : tensor<16x16xf32>, tensor<16x16xf32> -> tensor<16x16xf32>
  return %y : tensor<16x16xf32>
}
}
