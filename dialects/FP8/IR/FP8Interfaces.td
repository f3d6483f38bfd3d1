//===- FP8Interfaces.td - How passes see the ops of other dialects --------===//

#ifndef FP8_IR_FP8INTERFACES_TD
#define FP8_IR_FP8INTERFACES_TD

include "mlir/IR/OpBase.td"

def FP8ContractionOpInterface : OpInterface<"FP8ContractionOpInterface"> {
  let cppNamespace = "::fp8c::fp8";
  let description = [{
    An op that sums products of the elements of two ranked tensors, and may add the
    sum to a third: the only thing the FP8 lowering knows about a matrix product. An op that implements
    it can be lowered to `fp8.matmul`, whichever dialect it belongs to.

    The result's dimensions are, in this order: the batch dimensions, the free
    dimensions of the left operand, the free dimensions of the right one.
  }];
  let methods = [
    InterfaceMethod<[{Whether the op contracts at all. For ops of which some do, as linalg.generic; nothing else is asked of one that does not.}],
                    "bool", "isContraction", (ins), "", "return true;">,
    InterfaceMethod<"The left operand.", "::mlir::OpOperand &", "getContractionLhs", (ins)>,
    InterfaceMethod<"The right operand.", "::mlir::OpOperand &", "getContractionRhs", (ins)>,
    InterfaceMethod<[{What the sum is added to, of the result's shape; null if there is no such operand. One that is there is no part of the
      contraction: `buildSum` adds it.}],
                    "::mlir::OpOperand *", "getContractionInit", (ins), "", "return nullptr;">,
    InterfaceMethod<[{What the op gives where `product`, of the type of its result, is the sum alone: the product itself, or its sum with the init,
      for which ops may be built.}],
                    "::mlir::Value", "buildSum", (ins "::mlir::OpBuilder &":$builder, "::mlir::Value":$product), "", "return product;">,
    InterfaceMethod<[{Why the op does more than contract and add, so that `fp8.matmul` and `buildSum` would not do as well; empty if it does not. If it does not say:
      where it has other operands than these, or several results.}],
                    "::std::string", "getContractionObstacle", (ins), "", [{
      ::fp8c::fp8::FP8ContractionOpInterface op($_op.getOperation());
      return ::fp8c::fp8::getOperandsObstacle(op);
    }]>,
    InterfaceMethod<"Number of leading batch dimensions, which both operands and the result share.",
                    "int64_t", "getContractionBatchRank", (ins), "", "return 0;">,
    InterfaceMethod<"Whether `fp8-pad-products` may give the op operands of other sizes.",
                    "bool", "canBePadded", (ins), "", "return false;">,
    InterfaceMethod<"Dimensions of the left operand that are summed over, ascending.",
                    "::llvm::SmallVector<int64_t>", "getLhsContractingDims", (ins)>,
    InterfaceMethod<"Dimensions of the right operand that are summed over, in the order of the left ones.",
                    "::llvm::SmallVector<int64_t>", "getRhsContractingDims", (ins)>
  ];
}

def ValueRoleOpInterface : OpInterface<"ValueRoleOpInterface"> {
  let cppNamespace = "::fp8c::fp8";
  let description = [{
    An op that says what a result of its is, in the words of `operand:` in a recipe, or whose it is. Results of other ops are gradients, if
    their `fp8.phase` is `dgrad` or `wgrad`, or else activations. An argument of a function says it by its attribute `fp8.role`; one of a loop is what
    the loop begins with.
  }];
  let methods = [
    InterfaceMethod<"`weight`, `gradient` or `activation`; empty if the op does not say.",
                    "::llvm::StringRef", "getValueRole", (ins "unsigned":$result), "", "return {};">,
    InterfaceMethod<"The operand that the result is, moved or rounded; null if it is none of them.",
                    "::mlir::OpOperand *", "getMovedOperand", (ins "unsigned":$result), "", "return nullptr;">
  ];
}

def PrecisionOpInterface : OpInterface<"PrecisionOpInterface"> {
  let cppNamespace = "::fp8c::fp8";
  let description = [{
    An op that computes in f32 whatever float types its operands have, and
    rounds each result once: the type of a result is a choice, which a precision
    recipe makes. Ops without this interface keep their types.
  }];
  let methods = [
    InterfaceMethod<"Who chooses the float type of a result.",
      "::fp8c::fp8::ResultPrecision", "getResultPrecision", (ins "unsigned":$result), "",
      "return ::fp8c::fp8::ResultPrecision::Chosen;">
  ];
}

#endif // FP8_IR_FP8INTERFACES_TD
