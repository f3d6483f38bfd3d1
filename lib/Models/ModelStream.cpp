//===- ModelStream.cpp - Writes a model's bytes with its weights ----------===//

#include "Models/ModelStream.h"

#include "Models/NormalStream.h"

#include <algorithm>
#include <google/protobuf/io/coded_stream.h>

namespace fp8c {

using google::protobuf::io::CodedOutputStream;

namespace {
/// The tag of a field of bytes or of a message. Every field here has a number
/// below 16, so that its tag is one byte.
uint32_t lengthDelimited(int field) { return uint32_t(field) << 3 | 2; }

/// A parameter as an initializer, its weights drawn chunk by chunk.
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
      if (parameter.init.stddev > 0)
        stream.draw(at / 2, parameter.init.stddev, chunk.data(), count);
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
    uint64_t bytes = writers.emplace_back(parameter, seed).messageBytes();
    graphBytes += 1 + CodedOutputStream::VarintSize64(bytes) + bytes;
  }

  CodedOutputStream out(&file);
  model.SerializeToCodedStream(&out);
  out.WriteTag(lengthDelimited(onnx::ModelProto::kGraphFieldNumber));
  out.WriteVarint64(graphBytes);
  graph.SerializeToCodedStream(&out);
  std::vector<float> chunk(1 << 18);
  for (const WeightWriter &writer : writers) {
    out.WriteTag(lengthDelimited(onnx::GraphProto::kInitializerFieldNumber));
    out.WriteVarint64(writer.messageBytes());
    writer.write(out, chunk);
  }
}

int ModelStream::finish() { return file.Flush() ? 0 : file.GetErrno(); }

} // namespace fp8c
