//===- GraphUses.cpp - Who makes and who reads a value --------------------===//

#include "Import/ONNX/Parameters/GraphUses.h"

#include "Import/ONNX/TensorData.h"
#include "llvm/ADT/StringSwitch.h"

using namespace llvm;
using onnx::GraphProto;
using onnx::NodeProto;

namespace fp8c {

bool isContraction(const NodeProto &node) {
  return StringSwitch<bool>(node.op_type())
      .Cases({"MatMul", "Gemm", "Conv", "Einsum"}, true)
      .Default(false);
}

GraphUses::GraphUses(const GraphProto &graph) {
  for (const NodeProto &node : graph.node()) {
    for (const std::string &output : node.output())
      if (!output.empty())
        producers[output] = &node;
    for (int i = 0; i < node.input_size(); ++i)
      if (!node.input(i).empty())
        users[node.input(i)].push_back({&node, i});
  }
  findActivations(graph);
}

ArrayRef<Use> GraphUses::uses(StringRef value) const {
  auto found = users.find(value);
  return found == users.end() ? ArrayRef<Use>() : ArrayRef<Use>(found->second);
}

/// Goes forward from what a text changes.
void GraphUses::findActivations(const GraphProto &graph) {
  SmallVector<StringRef> pending;
  StringSet<> floats;
  for (const onnx::TensorProto &tensor : graph.initializer())
    if (isOnnxFloat(tensor.data_type()))
      floats.insert(tensor.name());
  for (const onnx::ValueInfoProto &input : graph.input())
    if (isOnnxFloat(input.type().tensor_type().elem_type()) &&
        !floats.contains(input.name()))
      pending.push_back(input.name());
  for (const NodeProto &node : graph.node()) {
    bool isDrawn = node.op_type() == "RandomNormal";
    for (const std::string &output : node.output())
      if (isDrawn)
        floats.insert(output);
  }
  for (const NodeProto &node : graph.node())
    if (node.op_type() == "Gather" && node.input_size() == 2 &&
        floats.contains(root(node.input(0))) && node.output_size() == 1)
      pending.push_back(node.output(0));
  while (!pending.empty()) {
    StringRef value = pending.pop_back_val();
    if (value.empty() || !activations.insert(value).second)
      continue;
    for (const Use &use : uses(value))
      // The shape of an activation is none.
      if (use.node->op_type() != "Shape" && use.node->op_type() != "Size")
        for (const std::string &output : use.node->output())
          pending.push_back(output);
  }
}

bool GraphUses::isView(const NodeProto &node, int input) const {
  bool isAlways =
      StringSwitch<bool>(node.op_type())
          .Cases({"Transpose", "Reshape", "Cast", "CastLike", "Identity",
                  "Squeeze"},
                 true)
          .Cases({"Unsqueeze", "Flatten", "Slice", "Split", "Expand"}, true)
          .Default(false);
  if (isAlways)
    return input == 0;
  return node.op_type() == "Concat" &&
         none_of(node.input(),
                 [&](const std::string &part) { return isActivation(part); });
}

SmallVector<Use> GraphUses::finalUses(StringRef value) const {
  SmallVector<Use> result;
  SmallVector<StringRef> pending = {value};
  StringSet<> seen;
  while (!pending.empty()) {
    StringRef next = pending.pop_back_val();
    if (next.empty() || !seen.insert(next).second)
      continue;
    for (const Use &use : uses(next)) {
      if (isView(*use.node, use.input))
        pending.append(use.node->output().begin(), use.node->output().end());
      else
        result.push_back(use);
    }
  }
  return result;
}

StringRef GraphUses::root(StringRef value) const {
  StringSet<> seen;
  while (seen.insert(value).second) {
    const NodeProto *node = producer(value);
    if (!node || node->input_size() == 0 || !isView(*node, 0))
      break;
    value = node->input(0);
  }
  return value;
}

} // namespace fp8c
