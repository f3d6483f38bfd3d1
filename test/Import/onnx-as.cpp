//===- onnx-as.cpp - Writes an ONNX file from its textual form ------------===//
//
//   onnx-as model.test -o model.onnx
//
// The text is ONNX's own (docs/Syntax.md there), in which `#` starts a comment.
// That has no names of nodes: here an attribute `name` gives one.
//
//===----------------------------------------------------------------------===//

#include <cstring>
#include <fstream>
#include <iostream>
#include <onnx/defs/parser.h>
#include <sstream>

/// Turns the attribute `name` into the node's name.
static void takeName(onnx::NodeProto &node) {
  for (int i = 0; i < node.attribute_size(); ++i)
    if (node.attribute(i).name() == "name") {
      node.set_name(node.attribute(i).s());
      node.mutable_attribute()->DeleteSubrange(i, 1);
      return;
    }
}

int main(int argc, char **argv) {
  if (argc != 4 || std::strcmp(argv[2], "-o") != 0) {
    std::cerr << "usage: onnx-as <text> -o <model.onnx>\n";
    return 2;
  }
  std::stringstream text;
  text << std::ifstream(argv[1]).rdbuf();
  onnx::ModelProto model;
  onnx::Common::Status status =
      onnx::OnnxParser::Parse(model, text.str().c_str());
  if (!status.IsOK()) {
    std::cerr << argv[1] << ": " << status.ErrorMessage() << "\n";
    return 1;
  }
  for (onnx::NodeProto &node : *model.mutable_graph()->mutable_node())
    takeName(node);
  std::ofstream file(argv[3], std::ios::binary);
  return model.SerializeToOstream(&file) ? 0 : 1;
}
