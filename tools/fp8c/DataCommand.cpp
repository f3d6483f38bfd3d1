//===- DataCommand.cpp - fp8c data ----------------------------------------===//
//
//   $ fp8c data book.txt --tokenizer bytes -o book
//
// writes book.train.bin and book.val.bin.
//
//===----------------------------------------------------------------------===//

#include "DataCommand.h"

#include "core/Escape.h"
#include "core/PrepareData.h"
#include <cstdio>

using fp8c::runtime::printable;

namespace {
struct DataArguments {
  std::string text, tokenizer = "bytes", output;
  double validation = 0.1;
};
} // namespace

static int prepare(const DataArguments &args) {
  auto tokenizer = fp8c::runtime::createTokenizer(args.tokenizer);
  auto data = fp8c::runtime::prepareData(args.text, *tokenizer, args.output,
                                         args.validation);
  std::printf("%s  %llu tokens\n", printable(data.train).c_str(),
              static_cast<unsigned long long>(data.trainTokens));
  if (!data.validation.empty())
    std::printf("%s  %llu tokens\n", printable(data.validation).c_str(),
                static_cast<unsigned long long>(data.validationTokens));
  return 0;
}

void fp8c::addDataCommand(CLI::App &app, std::function<int()> &action) {
  auto args = std::make_shared<DataArguments>();
  CLI::App *command = app.add_subcommand(
      "data", "Turn a text into token files and split off validation");
  command->add_option("text", args->text, "Text file, any size")->required();
  command
      ->add_option("--tokenizer", args->tokenizer,
                   "bytes, or a folder with GPT-2's encoder.json and vocab.bpe")
      ->capture_default_str();
  command
      ->add_option("-o,--output", args->output,
                   "Prefix of the files: PREFIX.train.bin, PREFIX.val.bin "
                   "(uint16), PREFIX.tokenizer.json")
      ->required();
  command
      ->add_option("--val", args->validation,
                   "Share of the text, its end, that becomes validation")
      ->check(CLI::Range(0.0, 0.99))
      ->capture_default_str();
  command->callback(
      [args, &action] { action = [args] { return prepare(*args); }; });
}
