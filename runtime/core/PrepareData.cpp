//===- PrepareData.cpp - From a text file to token files ------------------===//

#include "core/PrepareData.h"

#include "core/MappedFile.h"
#include "core/OutputFile.h"
#include "core/Text.h"

namespace fp8c::runtime {
namespace {

constexpr int64_t mostTokens = 65536; // what uint16 can tell apart

/// Where the validation part begins: between characters.
size_t splitPoint(std::string_view text, double validationShare) {
  auto split = static_cast<size_t>(static_cast<double>(text.size()) *
                                   (1 - validationShare));
  while (split < text.size() && (text[split] & 0xc0) == 0x80)
    ++split;
  return split;
}

uint64_t writeTokens(std::string_view text, Tokenizer &tokenizer,
                     OutputFile &file) {
  uint64_t count = 0;
  tokenizer.encode(text, [&](Token token) {
    unsigned char bytes[] = {static_cast<unsigned char>(token & 0xff),
                             static_cast<unsigned char>(token >> 8)};
    file.write(bytes, sizeof(bytes));
    ++count;
  });
  return count;
}

} // namespace

PreparedData prepareData(const std::string &textFile, Tokenizer &tokenizer,
                         const std::string &prefix, double validationShare) {
  if (!(validationShare >= 0 && validationShare < 1))
    throw Error(concat("the validation share is ", validationShare,
                       ", it has to be at least 0 and below 1"));
  if (tokenizer.size() > mostTokens)
    throw Error(concat("the tokenizer has ", withThousands(tokenizer.size()),
                       " tokens, token files hold at most ",
                       withThousands(mostTokens)));
  MappedFile file(textFile);
  if (file.size() == 0)
    throw Error::inFile(textFile, "the text is empty");
  std::string_view text(reinterpret_cast<const char *>(file.data()),
                        file.size());
  size_t split = splitPoint(text, validationShare);
  if (split == 0 || (validationShare > 0 && split == text.size()))
    throw Error::inFile(textFile, "the text is too short to be split",
                        "use more text");

  PreparedData result;
  result.train = prefix + ".train.bin";
  result.tokenizer = prefix + ".tokenizer.json";
  AtomicFile train(result.train), description(result.tokenizer);
  std::unique_ptr<AtomicFile> validation;
  if (validationShare > 0) {
    result.validation = prefix + ".val.bin";
    validation = std::make_unique<AtomicFile>(result.validation);
  }
  result.trainTokens =
      writeTokens(text.substr(0, split), tokenizer, train.stream());
  if (validation)
    result.validationTokens =
        writeTokens(text.substr(split), tokenizer, validation->stream());
  description.stream().write(jsonText(tokenizer.description(), 2) + "\n");

  // Everything is on the disk before anything gets its name.
  train.stream().sync();
  if (validation)
    validation->stream().sync();
  description.commit();
  train.commit();
  if (validation)
    validation->commit();
  return result;
}

} // namespace fp8c::runtime
