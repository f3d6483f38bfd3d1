//===- LabelFile.cpp - Labels of the tokens of a file ---------------------===//

#include "core/LabelFile.h"

#include "core/Checksum.h"
#include "core/Error.h"
#include "core/Text.h"

namespace fp8c::runtime {

LabelFile::LabelFile(const std::string &path, const TokenFile &tokens)
    : file(path), labels(reinterpret_cast<const int32_t *>(file.data())),
      count(tokens.size()) {
  auto thousands = [](uint64_t value) {
    return withThousands(static_cast<int64_t>(value));
  };
  if (file.size() != count * sizeof(int32_t))
    throw Error::inFile(
        path,
        concat("has ", thousands(file.size()), " bytes, but the ",
               thousands(count), " tokens of ", tokens.path(),
               " have labels of ", thousands(count * sizeof(int32_t)),
               " bytes"),
        "write an int32 for each token, -100 where none counts; with NumPy: "
        "labels.astype(\"<i4\").tofile(\"labels.bin\")");
}

int64_t LabelFile::at(uint64_t place, int64_t classes) const {
  const int32_t label = labels[place];
  if (classes > 0 && label >= classes)
    throw Error::inFile(path(),
                        concat("label ", label, " at position ",
                               withThousands(static_cast<int64_t>(place)),
                               " is none of the model's ",
                               withThousands(classes), " classes"),
                        "a label that does not count is negative, as -100");
  return label;
}

uint64_t LabelFile::check(int64_t classes) const {
  uint64_t counted = 0;
  for (uint64_t place = 0; place < count; ++place)
    counted += at(place, classes) >= 0;
  return counted;
}

std::string LabelFile::checksum() const {
  return checksumOf(file.data(), file.size());
}

std::unique_ptr<LabelFile> openLabels(const std::string &path,
                                      const TokenFile &tokens) {
  return path.empty() ? nullptr : std::make_unique<LabelFile>(path, tokens);
}

} // namespace fp8c::runtime
