// A program in a compiler that has functions of its own.
module {
train.variable @w : tensor<16x16xf32> {init = #train.constant<0.0>, role = #train.role<parameter>}

func.func private @elsewhere(tensor<16x16xf32>) -> tensor<16x16xf32>

func.func @forward(%x: tensor<16x16xf32>) -> tensor<16x16xf32> attributes {train.function = #train.function<forward>} {
  %w = train.read @w : tensor<16x16xf32>
  %y = train.matmul %x, %w {fp8.name = "fc", fp8.precision = #fp8.precision<lhs = <f8E4M3FN>, rhs = <f8E4M3FN>>}
      : tensor<16x16xf32>, tensor<16x16xf32> -> tensor<16x16xf32>
  return %y : tensor<16x16xf32>
}
}
