//===- ImportONNX.h - From an ONNX file to the train dialect ----*- C++ -*-===//
//
// The first stage of the compiler: a forward graph, in f32, with the semantics
// of ONNX (opsets 7 and later).
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_IMPORT_ONNX_IMPORTONNX_H
#define FP8C_IMPORT_ONNX_IMPORTONNX_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace fp8c {

struct ImportONNXOptions {
  /// Sizes of the dimensions that the file leaves open: those called `batch`
  /// and `seq`, and the two of an input of token ids [batch, seq] whatever they
  /// are called. 0 means not given. A given size must agree with a fixed one.
  int64_t batch = 0;
  int64_t seq = 0;
};

/// Imports the model at `path`:
///
/// - its trained initializers become `train.variable`s, whose data stays in the
///   file;
/// - its graph becomes `func.func @forward`, and, if it goes from one input of
///   token ids to logits [batch, seq, vocabulary] and its batch is open, also
///   `@infer`, the same for a batch of 1.
///
/// Loads the dialects it needs into `context`. On failure emits all that it
/// finds wrong as errors and returns null.
mlir::OwningOpRef<mlir::ModuleOp> importONNX(llvm::StringRef path,
                                             const ImportONNXOptions &options,
                                             mlir::MLIRContext &context);

} // namespace fp8c

#endif // FP8C_IMPORT_ONNX_IMPORTONNX_H
