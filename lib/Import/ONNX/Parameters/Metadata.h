//===- Metadata.h - What exporters write beside a graph ---------*- C++ -*-===//
//
// PyTorch's exporters leave in the file which of its modules a node comes from
// and what an initializer was: the newer one in metadata_props, the older one
// in names.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_IMPORT_ONNX_PARAMETERS_METADATA_H
#define FP8C_IMPORT_ONNX_PARAMETERS_METADATA_H

#include "llvm/ADT/StringMap.h"
#include <onnx/onnx_pb.h>
#include <string>
#include <vector>

namespace fp8c {

/// The value of `key` among the metadata_props, empty where there is none.
std::string metadataOf(const onnx::NodeProto &node, llvm::StringRef key);
std::string metadataOf(const onnx::ValueInfoProto &value, llvm::StringRef key);
std::string metadataOf(const onnx::GraphProto &graph, llvm::StringRef key);

/// The strings of a list that Python has printed: "['', 'h.0']".
std::vector<std::string> parseStringList(llvm::StringRef text);

/// The module that a node was exported from, "transformer.h.0.ln_1": by its
/// metadata, or by a name such as "/transformer/h.0/ln_1/LayerNormalization".
/// Empty where the file does not say.
std::string modulePath(const onnx::NodeProto &node);

/// A name for a node by the modules around it and what it was there, without a
/// number, "transformer/h.0/mlp/c_fc/addmm"; empty where the metadata do not
/// say.
std::string scopedName(const onnx::NodeProto &node);

/// What PyTorch's exporter with `dynamo=True` says of the module's tensors, by
/// the names they have there: all of them, also those that the graph has not
/// any more.
class ExportSignature {
public:
  explicit ExportSignature(const onnx::GraphProto &graph);

  /// Whether the file says anything.
  explicit operator bool() const { return !kinds.empty(); }

  bool isParameter(llvm::StringRef name) const {
    return kinds.lookup(name) == "PARAMETER";
  }

  /// Of names that are one tensor's, the one that PyTorch calls it by.
  std::string first(std::vector<std::string> names) const;

private:
  llvm::StringMap<std::string> kinds;
  llvm::StringMap<size_t> order;
};

} // namespace fp8c

#endif // FP8C_IMPORT_ONNX_PARAMETERS_METADATA_H
