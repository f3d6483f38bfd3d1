//===- ModelStream.cpp - Writes a model's bytes with its weights ----------===//

#include "Models/ModelStream.h"

#include "Models/FirstWeights.h"

namespace fp8c {

using google::protobuf::io::CodedOutputStream;

namespace {
/// The tag of a field of bytes or of a message. Every field here has a number
/// below 16, so that its tag is one byte.
uint32_t lengthDelimited(int field) { return uint32_t(field) << 3 | 2; }

/// A parameter as an initializer.
class WeightWriter {
public:
  explicit WeightWriter(const Parameter &parameter) : parameter(parameter) {
    for (int64_t dim : parameter.shape)
      header.add_dims(dim);
    header.set_data_type(onnx::TensorProto::FLOAT);
    header.set_name(parameter.name);
  }

  /// The bytes of the TensorProto: its header, and raw_data with tag and
  /// length.
  uint64_t messageBytes() const {
    uint64_t raw = weightBytes(parameter);
    return header.ByteSizeLong() + 1 + CodedOutputStream::VarintSize64(raw) +
           raw;
  }

  void write(CodedOutputStream &out, uint64_t seed) const {
    header.SerializeToCodedStream(&out);
    out.WriteTag(lengthDelimited(onnx::TensorProto::kRawDataFieldNumber));
    out.WriteVarint64(weightBytes(parameter));
    writeFirstWeights(parameter, seed, out);
  }

private:
  const Parameter &parameter;
  onnx::TensorProto header; // all but raw_data
};
} // namespace

ModelStream::ModelStream(int descriptor) : file(descriptor, 1 << 20) {}

void ModelStream::write(const onnx::ModelProto &model,
                        const onnx::GraphProto &graph,
                        const std::vector<Parameter> &parameters,
                        uint64_t seed) {
  // A message stands behind its length, so that of the graph is counted first.
  // Protobuf lets fields stand in any order: the graph is its own bytes and
  // then one initializer per parameter.
  std::vector<WeightWriter> writers;
  uint64_t graphBytes = graph.ByteSizeLong();
  for (const Parameter &parameter : parameters) {
    uint64_t bytes = writers.emplace_back(parameter).messageBytes();
    graphBytes += 1 + CodedOutputStream::VarintSize64(bytes) + bytes;
  }

  CodedOutputStream out(&file);
  model.SerializeToCodedStream(&out);
  out.WriteTag(lengthDelimited(onnx::ModelProto::kGraphFieldNumber));
  out.WriteVarint64(graphBytes);
  graph.SerializeToCodedStream(&out);
  for (const WeightWriter &writer : writers) {
    out.WriteTag(lengthDelimited(onnx::GraphProto::kInitializerFieldNumber));
    out.WriteVarint64(writer.messageBytes());
    writer.write(out, seed);
  }
}

int ModelStream::finish() { return file.Flush() ? 0 : file.GetErrno(); }

} // namespace fp8c
