//===- TensorList.h - Parameters and constants of a model -------*- C++ -*-===//

#ifndef FP8C_TOOLS_FP8C_TENSORLIST_H
#define FP8C_TOOLS_FP8C_TENSORLIST_H

#include "Import/ONNX/ImportONNX.h"

namespace fp8c {

/// What importing has made of the model's inputs and float tensors, and why:
/// some lines, in which layers that are alike share one.
std::string listTensors(llvm::StringRef model, const ImportReport &report);

} // namespace fp8c

#endif // FP8C_TOOLS_FP8C_TENSORLIST_H
