//===- InlineFunctions.h - Functions that a model brings along --*- C++ -*-===//

#ifndef FP8C_IMPORT_ONNX_INLINEFUNCTIONS_H
#define FP8C_IMPORT_ONNX_INLINEFUNCTIONS_H

#include "Import/ONNX/ImportErrors.h"
#include <onnx/onnx_pb.h>

namespace fp8c {

/// An integer attribute that inlining gives to nodes of functions that are
/// written in another opset of ONNX than the graph.
constexpr llvm::StringLiteral kOpsetAttribute = "fp8c.opset";

/// Replaces each node that calls one of the model's functions by the function's
/// nodes, and theirs, until none calls any. A value `v` of a function that node
/// `n` calls is then called `n/v`, and so are nodes.
///
/// Adds errors where two functions have one name, functions call themselves,
/// nodes give more inputs or outputs than the function has, or the whole would
/// have more than a million nodes.
void inlineFunctions(onnx::ModelProto &model, ImportErrors &errors);

} // namespace fp8c

#endif // FP8C_IMPORT_ONNX_INLINEFUNCTIONS_H
