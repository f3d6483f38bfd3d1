//===- Names.h - Names of an ONNX file that a program can keep --*- C++ -*-===//

#ifndef FP8C_IMPORT_ONNX_NAMES_H
#define FP8C_IMPORT_ONNX_NAMES_H

#include "Import/ONNX/ImportErrors.h"
#include "mlir/IR/BuiltinOps.h"

namespace fp8c {

/// Whether a program has a function of the name, whose symbol would stand
/// beside a variable's.
bool isOfFunction(llvm::StringRef name);

/// Gives another name to parameters whose own no program can keep: that of
/// safetensors' metadata, and those that the compiler gives to what belongs to
/// a parameter or a node ("w.grad" if there is a parameter "w"). Refuses such
/// names of inputs and outputs, which callers know.
void resolveNames(mlir::ModuleOp module, ImportErrors &errors);

} // namespace fp8c

#endif // FP8C_IMPORT_ONNX_NAMES_H
