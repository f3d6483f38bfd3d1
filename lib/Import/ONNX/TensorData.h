//===- TensorData.h - The elements of ONNX tensors --------------*- C++ -*-===//

#ifndef FP8C_IMPORT_ONNX_TENSORDATA_H
#define FP8C_IMPORT_ONNX_TENSORDATA_H

#include "Import/ONNX/Constant.h"
#include "Import/ONNX/ONNXFile.h"

namespace fp8c {

/// What ONNX calls an element type in prose: "float16".
llvm::StringRef onnxTypeName(int32_t dataType);

/// Whether the type is a float of 16 bits or more: these count as f32
/// everywhere, since the recipe, not the file, decides on precisions.
bool isOnnxFloat(int32_t dataType);

/// The type of elements in the IR: f32 for floats, FP8 as it is (of constants
/// only), integers of their width (unsigned ones marked so), i1 for booleans;
/// null for any other.
mlir::Type importElementType(int32_t dataType, mlir::MLIRContext *context);

/// The tensor with its elements, read from the file where `range` is given and
/// the message holds none. Null, and half a sentence in `error` ("holds
/// strings"), where its type has no place in a graph, the data does not fit the
/// shape, or there is too much of it.
ConstantPtr decodeTensor(const onnx::TensorProto &tensor,
                         const TensorRange *range, mlir::MLIRContext *context,
                         std::string &error);

} // namespace fp8c

#endif // FP8C_IMPORT_ONNX_TENSORDATA_H
