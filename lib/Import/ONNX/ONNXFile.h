//===- ONNXFile.h - An ONNX file and where its tensors stand ----*- C++ -*-===//
//
// Opens a model without reading its weights: the message is parsed with the
// large tensors left out, and each of them is known by its place in a file.
//
//   std::string error;
//   std::unique_ptr<ONNXFile> file = ONNXFile::open("gpt2.onnx", error);
//   for (const onnx::TensorProto &tensor : file->model().graph().initializer())
//     if (const TensorRange *range = file->range(tensor.name())) ...
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_IMPORT_ONNX_ONNXFILE_H
#define FP8C_IMPORT_ONNX_ONNXFILE_H

#include "Import/ONNX/TensorRange.h"

#include <cstdint>
#include <memory>
#include <onnx/onnx_pb.h>
#include <string>
#include <unordered_map>

namespace fp8c {

class ONNXFile {
public:
  /// Tensors whose data is longer than this are left out of model(). Shapes,
  /// axes and scalars stay.
  static constexpr uint64_t maxInlineBytes = 1024;

  /// Opens the model at `path`. Returns null, and a sentence in `error`, where
  /// it is missing, no ONNX model, damaged, of 2 GiB or more, without a graph,
  /// or its external data is missing, too short, a link or outside its folder.
  static std::unique_ptr<ONNXFile> open(const std::string &path,
                                        std::string &error);

  /// The model. An initializer of the graph with more than maxInlineBytes of
  /// data has none here: range() says where it stands.
  const onnx::ModelProto &model() const { return proto; }
  onnx::ModelProto &model() { return proto; }

  /// Where the data of the graph's initializer `name` stands. Null where there
  /// is no such initializer, or its elements do not stand together in a file
  /// (int64_data, strings): then the message holds them.
  const TensorRange *range(const std::string &name) const;

private:
  friend class ONNXFileReader;

  onnx::ModelProto proto;
  std::unordered_map<std::string, TensorRange> ranges;
};

} // namespace fp8c

#endif // FP8C_IMPORT_ONNX_ONNXFILE_H
