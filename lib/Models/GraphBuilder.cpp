//===- GraphBuilder.cpp - Builds an ONNX graph node by node ---------------===//

#include "Models/GraphBuilder.h"

namespace fp8c {

int64_t Parameter::elements() const {
  int64_t count = 1;
  for (int64_t dim : shape)
    count *= dim;
  return count;
}

std::string GraphBuilder::parameter(const std::string &name, const Shape &shape,
                                    Init init) {
  params.push_back({name, shape, init});
  return name;
}

static void setValue(onnx::AttributeProto &attribute, int64_t value) {
  attribute.set_type(onnx::AttributeProto::INT);
  attribute.set_i(value);
}
static void setValue(onnx::AttributeProto &attribute, float value) {
  attribute.set_type(onnx::AttributeProto::FLOAT);
  attribute.set_f(value);
}
static void setValue(onnx::AttributeProto &attribute,
                     const std::string &value) {
  attribute.set_type(onnx::AttributeProto::STRING);
  attribute.set_s(value);
}
static void setValue(onnx::AttributeProto &attribute, const Shape &value) {
  attribute.set_type(onnx::AttributeProto::INTS);
  for (int64_t dim : value)
    attribute.add_ints(dim);
}
static void setValue(onnx::AttributeProto &attribute,
                     const onnx::TensorProto &value) {
  attribute.set_type(onnx::AttributeProto::TENSOR);
  *attribute.mutable_t() = value;
}

onnx::NodeProto *
GraphBuilder::append(const char *op, const std::string &name,
                     const std::vector<std::string> &inputs,
                     const std::vector<Attribute> &attributes) {
  onnx::NodeProto *node = proto.add_node();
  node->set_op_type(op);
  node->set_name(name);
  for (const std::string &input : inputs)
    node->add_input(input);
  for (const Attribute &attribute : attributes) {
    onnx::AttributeProto *added = node->add_attribute();
    added->set_name(attribute.name);
    std::visit([&](const auto &value) { setValue(*added, value); },
               attribute.value);
  }
  return node;
}

std::string GraphBuilder::node(const char *op, const std::string &name,
                               const std::vector<std::string> &inputs,
                               const std::vector<Attribute> &attributes,
                               const std::string &result) {
  const std::string &value = result.empty() ? name : result;
  append(op, name, inputs, attributes)->add_output(value);
  return value;
}

std::vector<std::string>
GraphBuilder::split(const std::string &name, const std::string &input,
                    int64_t axis, const std::vector<std::string> &suffixes) {
  onnx::NodeProto *node =
      append("Split", name, {input},
             {{"axis", axis}, {"num_outputs", int64_t(suffixes.size())}});
  std::vector<std::string> results;
  for (const std::string &suffix : suffixes) {
    results.push_back(name + suffix);
    node->add_output(results.back());
  }
  return results;
}

template <typename T>
static void addInitializer(onnx::GraphProto &graph, const std::string &name,
                           int32_t type, const Shape &shape,
                           const std::vector<T> &values) {
  onnx::TensorProto *tensor = graph.add_initializer();
  tensor->set_name(name);
  tensor->set_data_type(type);
  for (int64_t dim : shape)
    tensor->add_dims(dim);
  tensor->set_raw_data(values.data(), values.size() * sizeof(T));
}

std::string GraphBuilder::constant(const std::string &name, const Shape &shape,
                                   const std::vector<float> &values) {
  addInitializer(proto, name, onnx::TensorProto::FLOAT, shape, values);
  return name;
}

std::string GraphBuilder::constant(const std::string &name, const Shape &shape,
                                   const std::vector<int64_t> &values) {
  addInitializer(proto, name, onnx::TensorProto::INT64, shape, values);
  return name;
}

static void describe(onnx::ValueInfoProto *info, const std::string &name,
                     int32_t elementType, const Shape &dims) {
  info->set_name(name);
  auto *tensor = info->mutable_type()->mutable_tensor_type();
  tensor->set_elem_type(elementType);
  tensor->mutable_shape()->add_dim()->set_dim_param("batch");
  for (int64_t dim : dims)
    tensor->mutable_shape()->add_dim()->set_dim_value(dim);
}

std::string GraphBuilder::input(const std::string &name, int32_t elementType,
                                const Shape &dims) {
  describe(proto.add_input(), name, elementType, dims);
  return name;
}

void GraphBuilder::output(const std::string &name, int32_t elementType,
                          const Shape &dims) {
  describe(proto.add_output(), name, elementType, dims);
}

} // namespace fp8c
