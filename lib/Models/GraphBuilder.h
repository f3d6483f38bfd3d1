//===- GraphBuilder.h - Builds an ONNX graph node by node -------*- C++ -*-===//
//
// A thin layer over onnx::GraphProto that keeps one naming rule: a node's
// result has the node's name. Parameters are declared with how they start and
// are only written down later, as weights or as nodes (WriteModel.cpp).
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_MODELS_GRAPHBUILDER_H
#define FP8C_MODELS_GRAPHBUILDER_H

#include <cstdint>
#include <onnx/onnx_pb.h>
#include <string>
#include <variant>
#include <vector>

namespace fp8c {

using Shape = std::vector<int64_t>;

/// How a parameter starts: N(0, stddev²) where stddev is positive, else
/// `value`.
struct Init {
  float stddev = 0;
  float value = 0;

  static Init normal(double stddev) { return {float(stddev), 0}; }
  static Init constant(float value) { return {0, value}; }
};

/// A trainable f32 tensor.
struct Parameter {
  std::string name;
  Shape shape;
  Init init;

  int64_t elements() const;
};

struct Attribute {
  const char *name;
  std::variant<int64_t, float, std::string, Shape, onnx::TensorProto> value;
};

class GraphBuilder {
public:
  /// Declares a parameter and returns its name, which is its value's.
  std::string parameter(const std::string &name, const Shape &shape, Init init);

  /// Appends a node with one result, which has the node's name, or `result`.
  std::string node(const char *op, const std::string &name,
                   const std::vector<std::string> &inputs,
                   const std::vector<Attribute> &attributes = {},
                   const std::string &result = "");

  /// Appends a Split of `input` along `axis` into equal parts, which are named
  /// `name` + each of `suffixes`, and returns them.
  std::vector<std::string> split(const std::string &name,
                                 const std::string &input, int64_t axis,
                                 const std::vector<std::string> &suffixes);

  /// Initializers that are not trained.
  std::string constant(const std::string &name, const Shape &shape,
                       const std::vector<float> &values);
  std::string constant(const std::string &name, const Shape &shape,
                       const std::vector<int64_t> &values);

  /// The graph's input and output: [batch, dims...], batch a symbol.
  std::string input(const std::string &name, int32_t elementType,
                    const Shape &dims);
  void output(const std::string &name, int32_t elementType, const Shape &dims);

  onnx::GraphProto &graph() { return proto; }
  const std::vector<Parameter> &parameters() const { return params; }

private:
  onnx::NodeProto *append(const char *op, const std::string &name,
                          const std::vector<std::string> &inputs,
                          const std::vector<Attribute> &attributes);

  onnx::GraphProto proto;
  std::vector<Parameter> params;
};

} // namespace fp8c

#endif // FP8C_MODELS_GRAPHBUILDER_H
