//===- WriteModel.h - Writes a GPT model as an ONNX file --------*- C++ -*-===//
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
  uint64_t bytes = 0;   ///< Of the file.
  bool weights = false; ///< The file holds the weights themselves.
};

/// Writes the model to `path` in ONNX (opset 23, IR 11). The file appears there
/// complete or not at all. The same options give the same bytes.
///
/// Returns nothing, and a sentence in `error`, where the options make no model,
/// weights asked for in the file would pass `maxWeightBytes`, or writing fails.
std::optional<WrittenModel> writeModel(const ModelOptions &options,
                                       const std::string &path,
                                       std::string &error);

} // namespace fp8c

#endif // FP8C_MODELS_WRITEMODEL_H
