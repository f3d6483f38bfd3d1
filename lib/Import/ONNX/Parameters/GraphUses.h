//===- GraphUses.h - Who makes and who reads a value ------------*- C++ -*-===//

#ifndef FP8C_IMPORT_ONNX_PARAMETERS_GRAPHUSES_H
#define FP8C_IMPORT_ONNX_PARAMETERS_GRAPHUSES_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include <onnx/onnx_pb.h>

namespace fp8c {

/// A node's input.
struct Use {
  const onnx::NodeProto *node;
  int input;
};

class GraphUses {
public:
  /// Keeps references into `graph`, which must not change meanwhile.
  explicit GraphUses(const onnx::GraphProto &graph);

  /// The node that makes the value; null for inputs and initializers.
  const onnx::NodeProto *producer(llvm::StringRef value) const {
    return producers.lookup(value);
  }

  llvm::ArrayRef<Use> uses(llvm::StringRef value) const;

  /// Where the value is read once views are left out: through nodes that move
  /// or convert elements, and joins of nothing but constants.
  llvm::SmallVector<Use> finalUses(llvm::StringRef value) const;

  /// The value that this one is a view of.
  llvm::StringRef root(llvm::StringRef value) const;

  /// Whether the value is computed from float inputs of the graph or from rows
  /// of a table, so that it differs from text to text.
  bool isActivation(llvm::StringRef value) const {
    return activations.contains(value);
  }

private:
  void findActivations(const onnx::GraphProto &graph);
  bool isView(const onnx::NodeProto &node, int input) const;

  llvm::StringMap<const onnx::NodeProto *> producers;
  llvm::StringMap<llvm::SmallVector<Use>> users;
  llvm::StringSet<> activations;
};

/// Whether the node is a product of matrices (or sums of such), of which
/// `input` is a factor.
bool isContraction(const onnx::NodeProto &node);

} // namespace fp8c

#endif // FP8C_IMPORT_ONNX_PARAMETERS_GRAPHUSES_H
