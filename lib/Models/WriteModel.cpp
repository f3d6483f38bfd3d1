//===- WriteModel.cpp - Writes a GPT model as an ONNX file ----------------===//

#include "Models/WriteModel.h"

#include "Models/AtomicFile.h"
#include "Models/ModelGraphs.h"
#include "Models/NormalStream.h"

#include <algorithm>
#include <cstdio>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl.h>
#include <set>

namespace fp8c {

namespace {
// Debian's ONNX headers stop at opset 17 and IR 8; these are later numbers.
constexpr int64_t opset = 23; // Attention, RMSNormalization, RotaryEmbedding
constexpr int64_t irVersion = 11; // the version that opset 23 came with

using google::protobuf::io::CodedOutputStream;
using google::protobuf::io::FileOutputStream;

std::string formatGiB(int64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f GiB", double(bytes) / (1 << 30));
  return text;
}

onnx::ModelProto describeModel(const ModelOptions &o) {
  onnx::ModelProto model;
  model.set_ir_version(irVersion);
  model.set_producer_name("fp8c");
  model.set_producer_version(FP8C_VERSION);
  model.add_opset_import()->set_version(opset);
  auto note = [&](const char *key, const std::string &value) {
    onnx::StringStringEntryProto *entry = model.add_metadata_props();
    entry->set_key(std::string("fp8c.") + key);
    entry->set_value(value);
  };
  note("family", toString(o.family));
  note("layers", std::to_string(o.layers));
  note("d_model", std::to_string(o.dModel));
  note("heads", std::to_string(o.heads));
  note("kv_heads", std::to_string(o.keyValueHeads()));
  note("ffn", std::to_string(o.ffnWidth()));
  note("vocab", std::to_string(o.vocab));
  note("seq", std::to_string(o.seq));
  note("seed", std::to_string(o.seed));
  note("parameters", std::to_string(parameterCount(o)));
  return model;
}

/// Gives every parameter a node that draws it. ONNX wants nodes in the order of
/// their values, so these come before the model's own.
void addInitNodes(GraphBuilder &builder, uint64_t seed) {
  onnx::GraphProto &graph = builder.graph();
  int modelNodes = graph.node_size();
  std::set<std::string> shapes;
  for (const Parameter &parameter : builder.parameters()) {
    onnx::NodeProto *node = graph.add_node();
    node->set_name(parameter.name);
    node->add_output(parameter.name);
    auto attribute = [&](const char *name, auto type) {
      onnx::AttributeProto *added = node->add_attribute();
      added->set_name(name);
      added->set_type(type);
      return added;
    };
    if (parameter.init.std > 0) {
      node->set_op_type("RandomNormal");
      attribute("mean", onnx::AttributeProto::FLOAT)->set_f(0);
      attribute("scale", onnx::AttributeProto::FLOAT)
          ->set_f(parameter.init.std);
      attribute("seed", onnx::AttributeProto::FLOAT)
          ->set_f(NormalStream(parameter.name, seed).shortSeed());
      auto *shape = attribute("shape", onnx::AttributeProto::INTS);
      for (int64_t dim : parameter.shape)
        shape->add_ints(dim);
      continue;
    }
    node->set_op_type("ConstantOfShape");
    onnx::TensorProto *value =
        attribute("value", onnx::AttributeProto::TENSOR)->mutable_t();
    value->set_data_type(onnx::TensorProto::FLOAT);
    value->add_dims(1);
    value->add_float_data(parameter.init.value);
    std::string shape = "shape";
    for (int64_t dim : parameter.shape)
      shape += "." + std::to_string(dim);
    if (shapes.insert(shape).second)
      builder.constant(shape, {int64_t(parameter.shape.size())},
                       parameter.shape);
    node->add_input(shape);
  }
  std::rotate(graph.mutable_node()->begin(),
              graph.mutable_node()->begin() + modelNodes,
              graph.mutable_node()->end());
}

/// The tag of a field of bytes or of a message. Every field here has a number
/// below 16, so that its tag is one byte.
uint32_t lengthDelimited(int field) { return uint32_t(field) << 3 | 2; }

/// A parameter as an initializer, its weights drawn while they are written: the
/// file is written in the memory of one chunk.
class WeightWriter {
public:
  WeightWriter(const Parameter &parameter, uint64_t seed)
      : parameter(parameter), stream(parameter.name, seed) {
    for (int64_t dim : parameter.shape)
      header.add_dims(dim);
    header.set_data_type(onnx::TensorProto::FLOAT);
    header.set_name(parameter.name);
  }

  uint64_t rawBytes() const { return parameter.elements() * sizeof(float); }

  /// The bytes of the TensorProto: its header, and raw_data with tag and
  /// length.
  uint64_t messageBytes() const {
    return header.ByteSizeLong() + 1 +
           CodedOutputStream::VarintSize64(rawBytes()) + rawBytes();
  }

  void write(CodedOutputStream &out, std::vector<float> &chunk) const {
    header.SerializeToCodedStream(&out);
    out.WriteTag(lengthDelimited(onnx::TensorProto::kRawDataFieldNumber));
    out.WriteVarint64(rawBytes());
    uint64_t elements = parameter.elements();
    for (uint64_t at = 0; at < elements && !out.HadError();
         at += chunk.size()) {
      size_t count = std::min<uint64_t>(chunk.size(), elements - at);
      if (parameter.init.std > 0)
        stream.draw(at / 2, parameter.init.std, chunk.data(), count);
      else
        std::fill_n(chunk.begin(), count, parameter.init.value);
      out.WriteRaw(chunk.data(), int(count * sizeof(float)));
    }
  }

private:
  const Parameter &parameter;
  NormalStream stream;
  onnx::TensorProto header; // all but raw_data
};

/// Writes `model`, whose graph is `builder`'s with its parameters as
/// initializers. Protobuf lets a message's fields stand in any order, so the
/// graph is its own bytes followed by one field per parameter.
void serialize(const onnx::ModelProto &model, GraphBuilder &builder,
               bool weights, uint64_t seed, CodedOutputStream &out) {
  std::vector<WeightWriter> writers;
  if (weights)
    for (const Parameter &parameter : builder.parameters())
      writers.emplace_back(parameter, seed);

  uint64_t graphBytes = builder.graph().ByteSizeLong();
  for (const WeightWriter &writer : writers)
    graphBytes += 1 + CodedOutputStream::VarintSize64(writer.messageBytes()) +
                  writer.messageBytes();

  model.SerializeToCodedStream(&out);
  out.WriteTag(lengthDelimited(onnx::ModelProto::kGraphFieldNumber));
  out.WriteVarint64(graphBytes);
  builder.graph().SerializeToCodedStream(&out);
  std::vector<float> chunk(1 << 18);
  for (const WeightWriter &writer : writers) {
    out.WriteTag(lengthDelimited(onnx::GraphProto::kInitializerFieldNumber));
    out.WriteVarint64(writer.messageBytes());
    writer.write(out, chunk);
  }
}
} // namespace

std::optional<WrittenModel> writeModel(const ModelOptions &options,
                                       const std::string &path,
                                       std::string &error) {
  error = checkModelOptions(options);
  if (!error.empty())
    return std::nullopt;

  WrittenModel written;
  written.parameters = parameterCount(options);
  int64_t weightBytes = written.parameters * int64_t(sizeof(float));
  written.weights = options.weights == WeightStorage::Auto
                        ? weightBytes <= maxWeightBytes
                        : options.weights == WeightStorage::InFile;
  if (written.weights && weightBytes > maxWeightBytes) {
    error = "the weights take " + formatGiB(weightBytes) +
            ", but an ONNX file holds less than 2 GiB: without weights the "
            "file says how to draw them";
    return std::nullopt;
  }

  GraphBuilder builder;
  builder.graph().set_name(toString(options.family));
  if (options.family == ModelFamily::Llama)
    buildLlama(options, builder);
  else
    buildGPT(options, builder);
  if (!written.weights)
    addInitNodes(builder, options.seed);

  AtomicFile file(path);
  if (!file.open(error))
    return std::nullopt;
  FileOutputStream stream(file.descriptor(), 1 << 20);
  {
    CodedOutputStream out(&stream);
    serialize(describeModel(options), builder, written.weights, options.seed,
              out);
  }
  written.bytes = stream.ByteCount();
  if (!stream.Flush()) {
    error = file.describe(stream.GetErrno());
    return std::nullopt;
  }
  if (!file.commit(error))
    return std::nullopt;
  return written;
}

} // namespace fp8c
