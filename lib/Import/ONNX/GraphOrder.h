//===- GraphOrder.h - The order in which nodes are imported -----*- C++ -*-===//

#ifndef FP8C_IMPORT_ONNX_GRAPHORDER_H
#define FP8C_IMPORT_ONNX_GRAPHORDER_H

#include "Import/ONNX/ImportErrors.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include <onnx/onnx_pb.h>
#include <vector>

namespace fp8c {

/// What messages and `fp8.name` call a node: its name, or for one
/// without that of its first value.
std::string displayName(const onnx::NodeProto &node);

/// The nodes that the graph's outputs need, each after those whose values it
/// uses; a file need not have them in such an order. Adds errors where a name
/// is given twice, a value comes from nowhere, or nodes wait for each other.
/// `isOuter` tells the names that a branch of another graph finds there.
std::vector<const onnx::NodeProto *> orderNodes(
    const onnx::GraphProto &graph, ImportErrors &errors,
    llvm::function_ref<bool(llvm::StringRef)> isOuter = [](llvm::StringRef) {
      return false;
    });

} // namespace fp8c

#endif // FP8C_IMPORT_ONNX_GRAPHORDER_H
