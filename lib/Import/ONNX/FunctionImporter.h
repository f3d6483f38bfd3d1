//===- FunctionImporter.h - One graph as a function -------------*- C++ -*-===//

#ifndef FP8C_IMPORT_ONNX_FUNCTIONIMPORTER_H
#define FP8C_IMPORT_ONNX_FUNCTIONIMPORTER_H

#include "Import/ONNX/GraphInputs.h"
#include "Import/ONNX/Initializers.h"
#include "Import/ONNX/ValueTable.h"
#include "Train/IR/Functions.h"

namespace fp8c {

class FunctionImporter {
public:
  FunctionImporter(const onnx::ModelProto &model, Initializers &initializers,
                   mlir::MLIRContext *context, ImportErrors &errors);

  /// Builds the function, which belongs to no module yet, from nodes in the
  /// order of orderNodes(). Null, with errors added, where it cannot be built.
  mlir::OwningOpRef<mlir::func::FuncOp>
  run(train::FunctionKind kind, const GraphInputs &inputs,
      llvm::ArrayRef<const onnx::NodeProto *> nodes);

private:
  void addArguments(mlir::func::FuncOp func, const GraphInputs &inputs);
  void addPaddingMask(const GraphInput &mask, mlir::Value tokens, int64_t pad);
  void addReturn(mlir::func::FuncOp func, const GraphInputs &inputs);
  bool checkOutput(const onnx::ValueInfoProto &output, const Datum &datum,
                   const GraphInputs &inputs);

  const onnx::ModelProto &model;
  Initializers &initializers;
  ImportErrors &errors;
  OpNamer namer;
  mlir::OpBuilder builder;
  ValueTable values;
};

} // namespace fp8c

#endif // FP8C_IMPORT_ONNX_FUNCTIONIMPORTER_H
