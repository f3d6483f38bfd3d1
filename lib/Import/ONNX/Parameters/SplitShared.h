//===- SplitShared.h - Initializers that exporters have merged --*- C++ -*-===//
//
// Exporters keep one of several equal tensors: all norms of a model that was
// never trained share a weight then. Parameters are told apart again by the
// modules that read them; matrices, which are equal where they are tied, stay
// one.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_IMPORT_ONNX_PARAMETERS_SPLITSHARED_H
#define FP8C_IMPORT_ONNX_PARAMETERS_SPLITSHARED_H

#include "Import/ONNX/ONNXFile.h"
#include "llvm/ADT/StringMap.h"

namespace fp8c {

/// Gives the vectors, and the tensors of one repeated element, that nodes of
/// several modules read a name of their own in each module, and makes
/// initializers of Identity nodes that copy such. Returns which initializer
/// each new name stands for.
llvm::StringMap<const onnx::TensorProto *> splitShared(const ONNXFile &file,
                                                       onnx::GraphProto &graph);

} // namespace fp8c

#endif // FP8C_IMPORT_ONNX_PARAMETERS_SPLITSHARED_H
