//===- SampleCommand.cpp - fp8c-run sample --------------------------------===//

#include "Commands.h"

#include "core/Escape.h"
#include "core/Model.h"
#include "core/Sampler.h"

#include <CLI/CLI.hpp>

#include <cstdio>

namespace fp8c::run {
namespace {

using namespace runtime;

struct SampleArguments {
  std::string model, tokenizer, prompt = "\n";
  int64_t tokens = 500;
  SampleOptions options;
  Checks checks = Checks::On;
};

int sample(const SampleArguments &arguments) {
  Model model = Model::open(arguments.model, arguments.checks);
  if (!model.note.empty()) // not into the text
    std::fprintf(stderr, "note: %s\n", printableMessage(model.note).c_str());
  std::unique_ptr<Tokenizer> tokenizer = model.tokenizer(arguments.tokenizer);
  Sampler sampler(*model.instance, arguments.options, tokenizer->size());
  std::vector<Token> text = tokenizer->encodePrompt(arguments.prompt);
  if (text.empty())
    throw Error("the prompt is empty", "give at least one character");
  int64_t vocabulary = model.instance->manifest().model.vocab;
  for (Token token : text)
    if (token >= vocabulary)
      throw Error("the prompt has tokens outside the model's vocabulary",
                  "choose the tokenizer that the data was prepared with");

  auto print = [](const std::string &bytes) {
    std::fwrite(bytes.data(), 1, bytes.size(), stdout);
    std::fflush(stdout);
  };
  print(arguments.prompt);
  for (int64_t i = 0; i < arguments.tokens; ++i) {
    text.push_back(sampler.next(text));
    print(tokenizer->decode(text.back()));
  }
  print("\n");
  return 0;
}

} // namespace

void addSampleCommand(CLI::App &tool, Action &action) {
  auto *command = tool.add_subcommand("sample", "Continue a text.");
  auto arguments = std::make_shared<SampleArguments>();
  SampleOptions &options = arguments->options;
  command
      ->add_option("MODEL", arguments->model,
                   "run folder (newest checkpoint), checkpoint folder, or "
                   "compiled program (initial weights)")
      ->required();
  command->add_option("--prompt", arguments->prompt,
                      "text to continue; \"<|endoftext|>\" stands for GPT-2's "
                      "separator [a line break]");
  command->add_option("--tokens", arguments->tokens, "tokens to add")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command
      ->add_option("--temperature", options.temperature,
                   "divides the logits; 0: always the likeliest token")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command
      ->add_option("--top-k", options.topK,
                   "choose among this many likeliest tokens; 0: among all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--seed", options.seed, "of the choices")
      ->capture_default_str();
  command->add_option("--tokenizer", arguments->tokenizer,
                      "bytes, or a folder with encoder.json and vocab.bpe [the "
                      "run's; bytes for a vocabulary of 256]");
  addUnchecked(*command, arguments->checks);
  command->callback([arguments, &action] {
    action = [arguments] { return sample(*arguments); };
  });
}

} // namespace fp8c::run
