//===- WriteModel.h - Writes a language model as an ONNX file ---*- C++ -*-===//
//
//   ModelOptions options = *findModelSize(ModelFamily::GPT2, "124m");
//   options.layers = 2;
//   std::string error;
//   if (!writeModel(options, "tiny.onnx", error))
//     std::cerr << error << '\n';
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_MODELS_WRITEMODEL_H
#define FP8C_MODELS_WRITEMODEL_H

#include "Models/ModelOptions.h"

namespace fp8c {

struct WrittenModel {
  int64_t parameters = 0;
  WeightStorage weights; ///< What was done: not Auto.
  uint64_t bytes = 0;    ///< Of the file.
  std::string data;      ///< The path of external data; else empty.
  uint64_t dataBytes = 0;
};

/// Writes the model to `path` in ONNX (opset 23, IR 11), and weights that do
/// not stand there to `path`.data. Both files appear complete or not at all,
/// also where SIGINT, SIGTERM or SIGHUP ends the process, and a model never
/// stands beside another model's data. The same options give the same bytes.
///
/// Returns nothing, and a sentence in `error`, where the options make no model,
/// `path`.data is somebody else's, or writing fails.
std::optional<WrittenModel> writeModel(const ModelOptions &options,
                                       const std::string &path,
                                       std::string &error);

} // namespace fp8c

#endif // FP8C_MODELS_WRITEMODEL_H
