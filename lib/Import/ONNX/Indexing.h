//===- Indexing.h - Choosing elements by known indices ----------*- C++ -*-===//

#ifndef FP8C_IMPORT_ONNX_INDEXING_H
#define FP8C_IMPORT_ONNX_INDEXING_H

#include "Import/ONNX/Node.h"
#include "Import/ONNX/Shapes.h"

namespace fp8c {

/// The box of a value with these sizes, strides positive; itself where it is
/// that.
mlir::Value createSlice(Node &node, mlir::Value value,
                        llvm::ArrayRef<int64_t> offsets,
                        llvm::ArrayRef<int64_t> sizes,
                        llvm::ArrayRef<int64_t> strides);

/// The value's entries along an axis, at indices from 0 to its size - 1, of
/// which there must be one.
mlir::Value takeAlong(Node &node, mlir::Value value, int64_t axis,
                      llvm::ArrayRef<int64_t> indices);

/// As takeAlong(), of a constant.
Constant takeAlong(const Constant &constant, int64_t axis,
                   llvm::ArrayRef<int64_t> indices);

/// Whether takeRows() and takeAlong() know the type: floats and booleans.
bool canTake(mlir::RankedTensorType type);

/// Integers as i64.
mlir::Value toInt64(Node &node, mlir::Value value);

/// Rows of a table [V, C] at ids of any shape S from 0 to V - 1: [S, C].
mlir::Value takeRows(Node &node, mlir::Value table, llvm::ArrayRef<int64_t> ids,
                     llvm::ArrayRef<int64_t> shape);

/// Indices into a dimension of a size, counted from its start; none, with an
/// error of the node, where one is outside.
std::optional<Shape>
indicesFromStart(Node &node, llvm::ArrayRef<int64_t> indices, int64_t size);

} // namespace fp8c

#endif // FP8C_IMPORT_ONNX_INDEXING_H
