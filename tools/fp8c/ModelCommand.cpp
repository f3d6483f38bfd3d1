//===- ModelCommand.cpp - fp8c model: writes a GPT model ------------------===//
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
  std::optional<int64_t> layers, dModel, heads, kvHeads, ffn, vocab, seq;
  bool inFile = false, asNodes = false;
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
  if (arguments.kvHeads == 0 || arguments.ffn == 0) {
    error = std::string(arguments.ffn == 0 ? "ffn" : "kv-heads") +
            " is 0: it must be at least 1";
    return std::nullopt;
  }
  ModelOptions o = *found;
  // What a size derives from its width or heads follows when these are changed.
  if (arguments.dModel)
    o.ffn = 0;
  if (arguments.heads)
    o.kvHeads = 0;
  o.layers = arguments.layers.value_or(o.layers);
  o.dModel = arguments.dModel.value_or(o.dModel);
  o.heads = arguments.heads.value_or(o.heads);
  o.kvHeads = arguments.kvHeads.value_or(o.kvHeads);
  o.ffn = arguments.ffn.value_or(o.ffn);
  o.vocab = arguments.vocab.value_or(o.vocab);
  o.seq = arguments.seq.value_or(o.seq);
  o.seed = arguments.seed;
  if (arguments.inFile)
    o.weights = WeightStorage::InFile;
  if (arguments.asNodes)
    o.weights = WeightStorage::AsNodes;
  return o;
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
              written->bytes / 1e6,
              written->weights ? "" : ", weights as nodes that draw them");
  return 0;
}
} // namespace

void addModelCommand(CLI::App &app, std::function<int()> &action) {
  CLI::App *command =
      app.add_subcommand("model", "Write a GPT model as an ONNX file");
  auto args = std::make_shared<ModelArguments>();
  command->add_option("family", args->family, "The kind of model")
      ->required()
      ->check(CLI::IsMember({"gpt2", "gpt3", "llama"}));
  command->add_option("--size", args->size, "A published size, listed below");
  command->add_option("--layers", args->layers, "Transformer layers");
  command->add_option("--d-model", args->dModel, "Width of the model");
  command->add_option("--heads", args->heads, "Attention heads");
  command->add_option("--kv-heads", args->kvHeads,
                      "Key-value heads, fewer for grouped queries (llama)");
  command->add_option("--ffn", args->ffn, "Width inside the MLP");
  command->add_option("--vocab", args->vocab, "Number of tokens");
  command->add_option("--seq", args->seq, "Tokens per sequence");
  command->add_option("--seed", args->seed, "Of the first weights");
  CLI::Option *inFile = command->add_flag(
      "--weights", args->inFile,
      "Store the weights (default where they take less than 1.8 GiB: protobuf "
      "cannot read files of 2 GiB)");
  command
      ->add_flag("--no-weights", args->asNodes,
                 "Store nodes that draw the weights instead")
      ->excludes(inFile);
  command->add_option("-o,--output", args->output, "The file to write")
      ->required();
  command->footer(listSizes());
  command->callback(
      [&action, args] { action = [args] { return writeRequested(*args); }; });
}

} // namespace fp8c
