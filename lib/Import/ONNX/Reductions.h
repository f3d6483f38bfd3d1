//===- Reductions.h - Graphs that several operators need --------*- C++ -*-===//

#ifndef FP8C_IMPORT_ONNX_REDUCTIONS_H
#define FP8C_IMPORT_ONNX_REDUCTIONS_H

#include "Import/ONNX/Node.h"

namespace fp8c {

/// Logarithm of the softmax over the last dimension.
mlir::Value createLogSoftmax(Node &node, mlir::Value value);

} // namespace fp8c

#endif // FP8C_IMPORT_ONNX_REDUCTIONS_H
