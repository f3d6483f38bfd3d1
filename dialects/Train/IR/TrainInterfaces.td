//===- TrainInterfaces.td - How passes see training ops -------------------===//

#ifndef TRAIN_IR_TRAININTERFACES_TD
#define TRAIN_IR_TRAININTERFACES_TD

include "mlir/IR/OpBase.td"

def DifferentiableOpInterface : OpInterface<"DifferentiableOpInterface"> {
  let cppNamespace = "::fp8c::train";
  let description = [{
    An op that has a vector-Jacobian product (VJP). Values that the backward pass needs
    besides operands and main result (a log-sum-exp, a reciprocal standard
    deviation) are further results of the op, so that what is saved is visible;
    a result that nobody uses costs nothing.
  }];
  let methods = [
    InterfaceMethod<[{
        Builds the product of the cotangents of the results with the op's
        Jacobian. `cotangents` has one entry per result, null where no gradient
        flows; at least one is given. `needed` says which operands' gradients are asked for.
        Returns one value per operand, null where not needed or zero.
        Each has its operand's type. Where the op has no VJP after all (a result
        that is no more than a statistic), emits an error and returns nothing.
        New ops get their `fp8.name` and, unless set here, `fp8.phase`
        from the caller.
      }],
      "::llvm::SmallVector<::mlir::Value>", "buildVJP",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::ValueRange":$cotangents,
           "::llvm::ArrayRef<bool>":$needed)>
  ];
}

def ScalarExpansionOpInterface : OpInterface<"ScalarExpansionOpInterface"> {
  let cppNamespace = "::fp8c::train";
  let description = [{
    An element-wise op: its result's element is a function of the operands'
    elements at the same (broadcast) position.
  }];
  let methods = [
    InterfaceMethod<[{
        Builds the function in `arith` and `math` ops. Scalars of floats are f32, whatever
        float type the tensors have; those of integers and booleans have the tensors' element type.
      }],
      "::mlir::Value", "expandScalar",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc, "::mlir::ValueRange":$scalars)>
  ];
}

def DecomposableOpInterface : OpInterface<"DecomposableOpInterface"> {
  let cppNamespace = "::fp8c::train";
  let description = [{
    An op that is a small graph of element-wise ops and reductions over either
    the last dimension or all the leading ones. The intermediate values stay in f32. Fusion
    keeps the op whole; outlining a fusion to a kernel decomposes it.
  }];
  let methods = [
    InterfaceMethod<"Builds the graph and returns the values of the results, in f32.",
      "::llvm::SmallVector<::mlir::Value>", "decompose", (ins "::mlir::OpBuilder &":$builder)>,
    InterfaceMethod<"Whether the reductions go over the leading dimensions (columns), not the last.",
      "bool", "reducesColumns", (ins), "", "return false;">
  ];
}

#endif // TRAIN_IR_TRAININTERFACES_TD
