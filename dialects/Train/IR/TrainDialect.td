//===- TrainDialect.td - The dialect of training graphs -------------------===//

#ifndef TRAIN_IR_TRAINDIALECT_TD
#define TRAIN_IR_TRAINDIALECT_TD

include "mlir/IR/OpBase.td"

def Train_Dialect : Dialect {
  let name = "train";
  let cppNamespace = "::fp8c::train";
  let summary = "Training graphs on tensors, with ONNX semantics";
  let description = [{
    Values are ranked tensors of static shape. An op that has an ONNX namesake
    means what ONNX says. Element types are storage formats: arithmetic is done in
    f32 and each result is rounded once, to nearest even, when it becomes a
    value of a narrower type. Operands and results may differ in their float
    types, so that lowering the precision of a value is a change of its type.

    Parameters and optimizer states are `train.variable` symbols. `train.read` is
    the value at entry of the function, `train.assign` takes effect at its exit.

    A function of a program says what it is with `train.function`: `#train.function<micro>` is what
    these pages call `@micro`, whatever its name. It is one block, and the only one of its kind
    in the module; the kinds are `forward`, `infer`, `eval`, `micro`, `update`, `init`,
    `calibrate` and `observe`.

    Ops carry the attributes `fp8.name` and `fp8.phase` of the fp8 dialect. Which attributes of this one there are, and where they may stand,
    says `TrainDiscardable.cpp`; another attribute called `train.` is an error.
  }];
  let dependentDialects = ["::fp8c::fp8::FP8Dialect", "::mlir::arith::ArithDialect"];
  let useDefaultAttributePrinterParser = 1;
  let hasOperationAttrVerify = 1;
  let hasRegionArgAttrVerify = 1;
  let hasRegionResultAttrVerify = 1;
  let extraClassDeclaration = [{
    void registerAttributes();
  }];
}

#endif // TRAIN_IR_TRAINDIALECT_TD
