//===- WriteModel.cpp - Writes a GPT model as an ONNX file ----------------===//

#include "Models/WriteModel.h"

#include "Models/AtomicFile.h"
#include "Models/InitNodes.h"
#include "Models/ModelGraphs.h"
#include "Models/ModelStream.h"

#include <cstdio>

namespace fp8c {

namespace {
// Debian's ONNX headers stop at opset 17 and IR 8; these are later numbers.
constexpr int64_t opset = 23; // Attention, RMSNormalization, RotaryEmbedding
constexpr int64_t irVersion = 11; // the version that opset 23 came with

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
  ModelStream stream(file.descriptor());
  stream.write(describeModel(options), builder.graph(),
               written.weights ? builder.parameters()
                               : std::vector<Parameter>(),
               options.seed);
  if (int code = stream.finish()) {
    error = file.describe(code);
    return std::nullopt;
  }
  written.bytes = stream.bytes();
  if (!file.commit(error))
    return std::nullopt;
  return written;
}

} // namespace fp8c
