//===- ModelCommand.cpp - fp8c model: writes a language model -------------===//
//
//   $ fp8c model gpt2 --size 124m -o gpt2.onnx
//   $ fp8c model gpt2 --layers 4 --d-model 128 --heads 4 --vocab 256 --seq 128
//                     -o tiny.onnx
//
//===----------------------------------------------------------------------===//

#include "ModelCommand.h"

#include "Models/WriteModel.h"
#include "core/Escape.h"

#include <cstdio>
#include <memory>

namespace fp8c {

namespace {
/// The command line as given: what is not given keeps the named size's value.
struct ModelArguments {
  std::string family, size, output;
  std::string mlp;
  std::optional<int64_t> layers, dModel, heads, kvHeads, headDim, ffn, vocab,
      seq;
  std::optional<bool> tied;
  bool stored = false, external = false, asNodes = false;
  uint64_t seed = 0;
};

std::string listSizes() {
  std::string text = "Sizes (the first of a family is its default):\n";
  for (const ModelSize &size : modelSizes()) {
    const ModelOptions &o = size.options;
    char line[128];
    std::snprintf(line, sizeof line,
                  "  %-5s %-5s %15lld parameters, %lld layers, width %lld, "
                  "seq %lld\n",
                  toString(o.family), size.name, (long long)parameterCount(o),
                  (long long)o.layers, (long long)o.dModel, (long long)o.seq);
    text += line;
  }
  return text;
}

std::optional<ModelOptions> resolve(const ModelArguments &arguments,
                                    std::string &error) {
  ModelFamily family = *parseModelFamily(arguments.family);
  std::optional<ModelOptions> found = findModelSize(family, arguments.size);
  if (!found) {
    error = arguments.family + " has no size '" + arguments.size + "'; it has";
    for (const ModelSize &size : modelSizes())
      if (size.options.family == family)
        error += std::string(" ") + size.name;
    return std::nullopt;
  }
  // To ModelOptions these zeros mean a default, which nobody types.
  for (auto [name, value] : {std::pair("ffn", arguments.ffn),
                             std::pair("kv-heads", arguments.kvHeads),
                             std::pair("head-dim", arguments.headDim)})
    if (value == 0) {
      error = std::string(name) + " is 0: it must be at least 1";
      return std::nullopt;
    }
  ModelOptions o = *found;
  // What a size derives from its width or heads follows when these are changed.
  if (arguments.dModel)
    o.ffn = 0;
  if (arguments.heads)
    o.kvHeads = 0;
  if (arguments.dModel || arguments.heads)
    o.headWidth = 0;
  o.layers = arguments.layers.value_or(o.layers);
  o.dModel = arguments.dModel.value_or(o.dModel);
  o.heads = arguments.heads.value_or(o.heads);
  o.kvHeads = arguments.kvHeads.value_or(o.kvHeads);
  o.headWidth = arguments.headDim.value_or(o.headWidth);
  o.ffn = arguments.ffn.value_or(o.ffn);
  o.vocab = arguments.vocab.value_or(o.vocab);
  o.seq = arguments.seq.value_or(o.seq);
  o.seed = arguments.seed;
  if (!arguments.mlp.empty())
    o.mlp = arguments.mlp == toString(MLP::GELU) ? MLP::GELU : MLP::SwiGLU;
  if (arguments.tied)
    o.tied = arguments.tied;
  if (arguments.stored)
    o.weights = WeightStorage::Stored;
  if (arguments.external)
    o.weights = WeightStorage::External;
  if (arguments.asNodes)
    o.weights = WeightStorage::AsNodes;
  return o;
}

/// ", weights in gpt2.onnx.data (6230.5 MB)"
std::string describeWeights(const WrittenModel &written) {
  if (written.weights == WeightStorage::AsNodes)
    return ", weights as nodes that draw them";
  if (written.weights != WeightStorage::External)
    return "";
  char megabytes[32];
  std::snprintf(megabytes, sizeof megabytes, " (%.1f MB)",
                written.dataBytes / 1e6);
  return ", weights in " + runtime::printable(written.data) + megabytes;
}

int writeRequested(const ModelArguments &arguments) {
  std::string error;
  std::optional<ModelOptions> options = resolve(arguments, error);
  std::optional<WrittenModel> written;
  if (options)
    written = writeModel(*options, arguments.output, error);
  if (!written) {
    std::fprintf(stderr, "fp8c model: error: %s\n",
                 runtime::printableMessage(error).c_str());
    return 1;
  }
  std::printf("%s: %s, %lld parameters, %.1f MB%s\n",
              runtime::printable(arguments.output).c_str(),
              arguments.family.c_str(), (long long)written->parameters,
              written->bytes / 1e6, describeWeights(*written).c_str());
  return 0;
}
} // namespace

void addModelCommand(CLI::App &app, std::function<int()> &action) {
  CLI::App *command =
      app.add_subcommand("model", "Write a language model as an ONNX file");
  auto args = std::make_shared<ModelArguments>();
  command->add_option("family", args->family, "The kind of model")
      ->required()
      ->check(CLI::IsMember({"gpt2", "gpt3", "llama", "qwen"}));
  command->add_option("--size", args->size, "A published size, listed below");
  command->add_option("--layers", args->layers, "Transformer layers");
  command->add_option("--d-model", args->dModel, "Width of the model");
  command->add_option("--heads", args->heads, "Attention heads");
  command->add_option("--kv-heads", args->kvHeads,
                      "Key-value heads, fewer for grouped queries (llama, "
                      "qwen)");
  command->add_option("--head-dim", args->headDim,
                      "Width of a head (llama, qwen; default: d-model / heads, "
                      "where either is given)");
  command
      ->add_option(
          "--mlp", args->mlp,
          "swiglu in a gpt2 or gpt3: gate, up and down with biases, as "
          "all its matrices have them (default gelu; llama and qwen "
          "have swiglu, without biases)")
      ->check(CLI::IsMember({"gelu", "swiglu"}));
  command->add_option(
      "--ffn", args->ffn,
      "Width inside the MLP (default: that of the size; 4 "
      "d-model where d-model is given; with swiglu the multiple "
      "of 64 nearest 8/3 d-model, which is as many parameters)");
  CLI::Option *tied = command->add_flag_callback(
      "--tied", [args] { args->tied = true; },
      "The head is the embedding (default in gpt2, gpt3, and qwen up to 4b)");
  command
      ->add_flag_callback(
          "--untied", [args] { args->tied = false; },
          "The head has a weight of its own (default in llama, and qwen from "
          "8b)")
      ->excludes(tied);
  command->add_option("--vocab", args->vocab, "Number of tokens");
  command->add_option("--seq", args->seq, "Tokens per sequence");
  command->add_option("--seed", args->seed, "Of the first weights");
  CLI::Option *stored = command->add_flag(
      "--weights", args->stored,
      "Store the weights (default where they take less than 1.8 GiB); where "
      "they take more, in OUTPUT.data: protobuf cannot read files of 2 GiB");
  CLI::Option *external =
      command->add_flag("--external-data", args->external,
                        "Store the weights in OUTPUT.data whatever they take");
  command
      ->add_flag("--no-weights", args->asNodes,
                 "Store nodes that draw the weights instead")
      ->excludes(stored)
      ->excludes(external);
  command->add_option("-o,--output", args->output, "The file to write")
      ->required();
  command->footer(
      listSizes() +
      "gpt2 and gpt3 are as published (GPT-3's attention is dense here), llama "
      "is Llama 2 (arXiv\n2307.09288), qwen is Qwen3 (arXiv 2505.09388): "
      "RMSNorm, grouped queries, rotary positions,\nSwiGLU, no biases, and "
      "norms of each query and key head.\n");
  command->callback(
      [&action, args] { action = [args] { return writeRequested(*args); }; });
}

} // namespace fp8c
