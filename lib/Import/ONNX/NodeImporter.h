//===- NodeImporter.h - The nodes of a graph and its branches ---*- C++ -*-===//

#ifndef FP8C_IMPORT_ONNX_NODEIMPORTER_H
#define FP8C_IMPORT_ONNX_NODEIMPORTER_H

#include "Import/ONNX/Node.h"

namespace fp8c {

/// Gives the values of nodes to a table, one node after the other.
///
/// A node that cannot be imported is reported, and its outputs get likely
/// types. Of the nodes behind it only those are reported whose operators are
/// not known: what else is wrong with them may come from the guess.
class NodeImporter {
public:
  /// `sizeOf` gives the sizes of the dimensions that the file calls by names,
  /// as far as they are known.
  NodeImporter(
      const onnx::ModelProto &model, Initializers &initializers,
      ValueTable &values, OpNamer &namer, mlir::OpBuilder &builder,
      llvm::function_ref<std::optional<int64_t>(llvm::StringRef)> sizeOf,
      ImportErrors &errors);

  /// Imports nodes in the order of orderNodes().
  void run(llvm::ArrayRef<const onnx::NodeProto *> nodes);

  /// Imports the nodes of a branch, whose outputs become the node's results.
  mlir::LogicalResult importBranch(const onnx::GraphProto &branch, Node &node);

private:
  friend class Node;

  std::string nameOf(const onnx::NodeProto &node);
  void importNode(const onnx::NodeProto &proto);
  const Operator *findForm(Node &node);
  mlir::LogicalResult importKnown(Node &node, const Operator &op);
  void guessResults(Node &node);
  mlir::RankedTensorType declaredType(llvm::StringRef value) const;
  bool defineInitializers(const onnx::GraphProto &branch, Node &node);

  const onnx::ModelProto &model;
  Initializers &initializers;
  ValueTable &values;
  OpNamer &namer;
  mlir::OpBuilder &builder;
  llvm::function_ref<std::optional<int64_t>(llvm::StringRef)> sizeOf;
  ImportErrors &errors;
  llvm::StringMap<const onnx::TypeProto *> declared; ///< By the file.
  llvm::StringMap<unsigned> named; ///< How many nodes are called so.
};

} // namespace fp8c

#endif // FP8C_IMPORT_ONNX_NODEIMPORTER_H
