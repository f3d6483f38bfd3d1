//===- RestoreBiases.cpp - Biases that an exporter has left out -----------===//

#include "Import/ONNX/Parameters/RestoreBiases.h"

#include "Import/ONNX/Parameters/Metadata.h"
#include "llvm/ADT/StringSet.h"

using onnx::NodeProto;
using onnx::TensorProto;

namespace fp8c {

/// The columns of what the Gemm computes; 0 where the file does not tell.
static int64_t columnsOf(const NodeProto &gemm,
                         const llvm::StringMap<const TensorProto *> &tensors) {
  const TensorProto *weight = tensors.lookup(gemm.input(1));
  if (!weight || weight->dims_size() != 2)
    return 0;
  for (const onnx::AttributeProto &attribute : gemm.attribute())
    if (attribute.name() == "transB" && attribute.i())
      return weight->dims(0);
  return weight->dims(1);
}

void restoreBiases(onnx::GraphProto &graph) {
  constexpr int64_t mostColumns = 1 << 24;
  ExportSignature signature(graph);
  if (!signature)
    return;
  llvm::StringMap<const TensorProto *> tensors;
  for (const TensorProto &tensor : graph.initializer())
    tensors[tensor.name()] = &tensor;
  llvm::StringSet<> added;
  for (NodeProto &node : *graph.mutable_node()) {
    bool isWithout = node.op_type() == "Gemm" && node.input_size() == 2 &&
                     metadataOf(node, "pkg.onnxscript.rewriter.rule_name") ==
                         "RemoveOptionalBiasFromGemm";
    if (!isWithout)
      continue;
    std::string name = modulePath(node) + ".bias";
    int64_t columns = columnsOf(node, tensors);
    if (!signature.isParameter(name) || columns < 1 || columns > mostColumns ||
        tensors.contains(name))
      continue;
    node.add_input(name);
    if (!added.insert(name).second)
      continue;
    TensorProto *bias = graph.add_initializer();
    bias->set_name(name);
    bias->set_data_type(TensorProto::FLOAT);
    bias->add_dims(columns);
    bias->set_raw_data(std::string(columns * sizeof(float), '\0'));
  }
}

} // namespace fp8c
