//===- WriteModel.cpp - Writes a language model as an ONNX file -----------===//

#include "Models/WriteModel.h"

#include "Models/AtomicFile.h"
#include "Models/ExternalWeights.h"
#include "Models/InitNodes.h"
#include "Models/ModelGraphs.h"
#include "Models/ModelStream.h"
#include "Target/Common/OnInterrupt.h"

#include <cerrno>
#include <filesystem>
#include <unistd.h>

namespace fp8c {

namespace {
// Debian's ONNX headers stop at opset 17 and IR 8; these are later numbers.
constexpr int64_t opset = 23; // Attention, RMSNormalization, RotaryEmbedding
constexpr int64_t irVersion = 11; // the version that opset 23 came with

WeightStorage chooseStorage(const ModelOptions &options) {
  int64_t bytes = parameterCount(options) * int64_t(sizeof(float));
  bool fits = bytes <= maxWeightBytes;
  switch (options.weights) {
  case WeightStorage::Auto:
    return fits ? WeightStorage::Stored : WeightStorage::AsNodes;
  case WeightStorage::Stored:
    return fits ? WeightStorage::Stored : WeightStorage::External;
  default:
    return options.weights;
  }
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
  note("head_dim", std::to_string(o.headDim()));
  note("mlp", toString(o.mlpKind()));
  note("ffn", std::to_string(o.ffnWidth()));
  note("vocab", std::to_string(o.vocab));
  note("tied", o.isTied() ? "true" : "false");
  note("seq", std::to_string(o.seq));
  note("seed", std::to_string(o.seed));
  note("parameters", std::to_string(parameterCount(o)));
  return model;
}
/// Writes one model and, where its weights are external, the file of these.
class ModelWriter {
public:
  ModelWriter(const ModelOptions &options, const std::string &path,
              std::string &error)
      : options(options), path(path), error(error), file(path),
        data(externalWeightsPath(path)) {}

  std::optional<WrittenModel> write();

private:
  bool isExternal() const { return written.weights == WeightStorage::External; }
  bool open();
  bool writeData();
  bool writeGraph();
  bool commit();

  /// True where `code`, an errno, is 0.
  bool isWritten(const AtomicFile &to, int code) {
    if (code)
      error = to.describe(code);
    return code == 0;
  }

  const ModelOptions &options;
  const std::string &path;
  std::string &error;
  AtomicFile file, data;
  GraphBuilder builder;
  WrittenModel written;
  bool replacesData = false;
};
} // namespace

std::optional<WrittenModel> ModelWriter::write() {
  written.parameters = parameterCount(options);
  written.weights = chooseStorage(options);
  builder.graph().set_name(toString(options.family));
  if (options.isGPT())
    buildGPT(options, builder);
  else
    buildLlama(options, builder);
  if (written.weights == WeightStorage::AsNodes)
    addInitNodes(builder, options.seed);
  if (!open())
    return std::nullopt;
  target::OnInterrupt tidy([this] {
    file.discard();
    if (isExternal())
      data.discard();
  });
  if ((isExternal() && !writeData()) || !writeGraph() || !commit())
    return std::nullopt;
  return written;
}

bool ModelWriter::open() {
  if (isExternal()) {
    error = checkExternalWeights(path, replacesData);
    if (!error.empty() || !data.open(error))
      return false;
  }
  return file.open(error);
}

bool ModelWriter::writeData() {
  written.data = externalWeightsPath(path);
  written.dataBytes = addExternalInitializers(
      builder, std::filesystem::path(written.data).filename());
  return isWritten(data,
                   writeExternalWeights(builder.parameters(), options.seed,
                                        written.dataBytes, data.descriptor()));
}

bool ModelWriter::writeGraph() {
  ModelStream stream(file.descriptor());
  stream.write(describeModel(options), builder.graph(),
               written.weights == WeightStorage::Stored
                   ? builder.parameters()
                   : std::vector<Parameter>(),
               options.seed);
  int code = stream.finish();
  written.bytes = stream.bytes();
  return isWritten(file, code);
}

bool ModelWriter::commit() {
  if (isExternal()) {
    // Between the two renames no older model may stand beside this data.
    if (replacesData && unlink(path.c_str()) != 0 && errno != ENOENT)
      return isWritten(file, errno);
    if (!data.commit(error))
      return false;
  }
  return file.commit(error);
}

std::optional<WrittenModel> writeModel(const ModelOptions &options,
                                       const std::string &path,
                                       std::string &error) {
  error = checkModelOptions(options);
  if (!error.empty())
    return std::nullopt;
  return ModelWriter(options, path, error).write();
}

} // namespace fp8c
