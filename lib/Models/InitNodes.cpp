//===- InitNodes.cpp - Parameters as nodes that draw them -----------------===//

#include "Models/InitNodes.h"

#include "Models/NormalStream.h"

#include <algorithm>
#include <set>

namespace fp8c {

/// A tensor of one f32.
static onnx::TensorProto oneElement(float value) {
  onnx::TensorProto tensor;
  tensor.set_data_type(onnx::TensorProto::FLOAT);
  tensor.add_dims(1);
  tensor.add_float_data(value);
  return tensor;
}

/// "shape.768" for [768].
static std::string shapeName(const Shape &shape) {
  std::string name = "shape";
  for (int64_t dim : shape)
    name.append(".").append(std::to_string(dim));
  return name;
}

void addInitNodes(GraphBuilder &builder, uint64_t seed) {
  int modelNodes = builder.graph().node_size();
  std::set<std::string> shapes;
  for (const Parameter &parameter : builder.parameters()) {
    const Shape &shape = parameter.shape;
    // Not the parameter's own name: the Add of a bias has it.
    std::string name = parameter.name + ".init";
    if (parameter.init.stddev > 0) {
      builder.node("RandomNormal", name, {},
                   {{"mean", 0.0f},
                    {"scale", parameter.init.stddev},
                    {"seed", NormalStream(parameter.name, seed).shortSeed()},
                    {"shape", shape}},
                   parameter.name);
      continue;
    }
    std::string wanted = shapeName(shape);
    if (shapes.insert(wanted).second)
      builder.constant(wanted, {int64_t(shape.size())}, shape);
    builder.node("ConstantOfShape", name, {wanted},
                 {{"value", oneElement(parameter.init.value)}}, parameter.name);
  }
  // ONNX wants a value's node before its uses.
  auto *nodes = builder.graph().mutable_node();
  std::rotate(nodes->begin(), nodes->begin() + modelNodes, nodes->end());
}

} // namespace fp8c
