//===- Names.h - Names of an ONNX file that a program can keep --*- C++ -*-===//

#ifndef FP8C_IMPORT_ONNX_NAMES_H
#define FP8C_IMPORT_ONNX_NAMES_H

#include "Import/ONNX/ImportErrors.h"
#include "mlir/IR/BuiltinOps.h"

namespace fp8c {

/// Refuses names that inputs, outputs or parameters of a program cannot have:
/// that of safetensors' metadata, and those that the compiler gives to what
/// belongs to a parameter or a node ("w.grad" if there is a parameter "w").
void checkNames(mlir::ModuleOp module, ImportErrors &errors);

} // namespace fp8c

#endif // FP8C_IMPORT_ONNX_NAMES_H
