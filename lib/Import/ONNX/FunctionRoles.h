//===- FunctionRoles.h - What a function takes and gives --------*- C++ -*-===//

#ifndef FP8C_IMPORT_ONNX_FUNCTIONROLES_H
#define FP8C_IMPORT_ONNX_FUNCTIONROLES_H

#include "Import/ONNX/GraphInputs.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace fp8c {

/// Says of the function's arguments which are tokens and which labels, of its
/// results which are logits and which the loss, and, where it has no loss,
/// which labels one takes (train.input, train.output, train.labels).
///
/// Labels of a model in which a token sees those behind it have to be given. Of
/// other models' they are the next tokens; the graph may shift them itself, and
/// then takes the tokens.
void markRoles(mlir::func::FuncOp function, const GraphInputs &inputs,
               const ImportONNXOptions &options);

} // namespace fp8c

#endif // FP8C_IMPORT_ONNX_FUNCTIONROLES_H
