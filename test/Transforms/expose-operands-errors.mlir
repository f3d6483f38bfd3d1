// RUN: fp8c-opt %s -split-input-file -verify-diagnostics --fp8-expose-operands

// expected-error@below {{needs a function with train.function = #train.function<micro>: run train-autodiff before fp8-expose-operands}}
module {
}

// -----

// expected-error@below {{has a symbol @observe already: were operands exposed before?}}
module {
  func.func @micro() attributes {train.function = #train.function<micro>} {
    return
  }
  func.func @observe() attributes {train.function = #train.function<observe>} {
    return
  }
}

// -----

module {
  // expected-error@below {{it contracts nothing: there are no operands to expose}}
  func.func @micro(%x: tensor<4xf32>) -> tensor<4xf32> attributes {train.function = #train.function<micro>} {
    %y = train.exp %x : tensor<4xf32> -> tensor<4xf32>
    return %y : tensor<4xf32>
  }
}
