//===- ModelStream.h - Writes a model's bytes with its weights --*- C++ -*-===//

#ifndef FP8C_MODELS_MODELSTREAM_H
#define FP8C_MODELS_MODELSTREAM_H

#include "Models/GraphBuilder.h"

#include <google/protobuf/io/zero_copy_stream_impl.h>

namespace fp8c {

/// Writes an onnx::ModelProto whose weights are drawn while they are written: a
/// model of any size is written in a few megabytes of memory.
class ModelStream {
public:
  explicit ModelStream(int descriptor);

  /// Writes `model` with the graph `graph`, to which `parameters` are added as
  /// initializers drawn by `seed`. Of less than 2 GiB in all; called once.
  void write(const onnx::ModelProto &model, const onnx::GraphProto &graph,
             const std::vector<Parameter> &parameters, uint64_t seed);

  /// Writes what is still buffered. 0, or the errno of what failed so far.
  int finish();

  uint64_t bytes() const { return file.ByteCount(); }

private:
  google::protobuf::io::FileOutputStream file;
};

} // namespace fp8c

#endif // FP8C_MODELS_MODELSTREAM_H
