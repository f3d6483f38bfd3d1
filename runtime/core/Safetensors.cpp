//===- Safetensors.cpp - Reading and writing .safetensors files -----------===//

#include "core/Safetensors.h"

#include "core/Checksum.h"
#include "core/Json.h"
#include "core/OutputFile.h"
#include "core/Text.h"

#include <algorithm>
#include <cstring>

namespace fp8c::runtime {
namespace {

constexpr uint64_t lengthBytes = sizeof(uint64_t);

} // namespace

SafetensorsReader::SafetensorsReader(const std::string &path) : file(path) {
  uint64_t headerBytes = 0;
  if (file.size() >= lengthBytes)
    std::memcpy(&headerBytes, file.data(), lengthBytes);
  if (file.size() < lengthBytes || headerBytes > file.size() - lengthBytes)
    throw Error::inFile(path, "not a safetensors file, or cut short");
  const unsigned char *header = file.data() + lengthBytes;
  const unsigned char *data = header + headerBytes;
  uint64_t dataBytes = file.size() - lengthBytes - headerBytes;

  Json document = parseJson(reinterpret_cast<const char *>(header),
                            reinterpret_cast<const char *>(data), path,
                            "not a safetensors file: header is not JSON");
  for (const auto &[name, entry] : JsonField(document, path).members()) {
    if (name != "__metadata__") {
      read(name, entry, data, dataBytes);
      continue;
    }
    for (const auto &[key, value] : entry.members())
      theMetadata[key] = value.string();
  }
  checkCover(data, dataBytes);
}

void SafetensorsReader::read(const std::string &name, const JsonField &entry,
                             const unsigned char *data, uint64_t dataBytes) {
  Tensor tensor;
  tensor.spec.name = name;
  std::string typeName = entry.at("dtype").string();
  std::optional<DataType> type = dataTypeFromSafetensors(typeName);
  if (!type)
    throw entry.at("dtype").error("\"" + typeName + "\" is not supported");
  tensor.spec.type = *type;
  uint64_t bytes = sizeOf(*type);
  for (const JsonField &extent : entry.at("shape").items()) {
    tensor.spec.shape.push_back(static_cast<int64_t>(extent.size()));
    if (__builtin_mul_overflow(bytes, extent.size(), &bytes))
      throw entry.at("shape").error("the tensor is too large");
  }
  std::vector<JsonField> range = entry.at("data_offsets").items();
  if (range.size() != 2 || range[0].size() > range[1].size() ||
      range[1].size() > dataBytes || range[1].size() - range[0].size() != bytes)
    throw entry.at("data_offsets")
        .error("does not fit the file, the dtype and the shape");
  tensor.data = data + range[0].size();
  theTensors.emplace(name, std::move(tensor));
}

void SafetensorsReader::checkCover(const unsigned char *data,
                                   uint64_t dataBytes) const {
  std::vector<const Tensor *> byPlace;
  for (const auto &entry : theTensors)
    byPlace.push_back(&entry.second);
  auto placeOf = [](const Tensor *tensor) {
    return std::make_pair(tensor->data, tensor->spec.bytes());
  };
  std::sort(byPlace.begin(), byPlace.end(),
            [&](const Tensor *a, const Tensor *b) {
              return placeOf(a) < placeOf(b);
            });
  uint64_t end = 0;
  for (const Tensor *tensor : byPlace) {
    auto first = static_cast<uint64_t>(tensor->data - data);
    if (first < end)
      throw Error::inFile(path(), "damaged: the data of \"" +
                                      tensor->spec.name +
                                      "\" overlaps another");
    if (first > end)
      throw Error::inFile(path(),
                          concat("damaged: ", first - end, " bytes before \"",
                                 tensor->spec.name, "\" belong to no tensor"));
    end += tensor->spec.bytes();
  }
  if (end != dataBytes)
    throw Error::inFile(path(), concat("damaged: the last ", dataBytes - end,
                                       " bytes belong to no tensor"));
}

const unsigned char *SafetensorsReader::find(const TensorSpec &expected) const {
  auto found = theTensors.find(expected.name);
  if (found == theTensors.end())
    return nullptr;
  const TensorSpec &spec = found->second.spec;
  if (spec.type != expected.type || spec.shape != expected.shape)
    throw Error::inFile(
        path(), concat("\"", spec.name, "\" is ", shapeText(spec.shape), " ",
                       nameOf(spec.type), ", the program has ",
                       shapeText(expected.shape), " ", nameOf(expected.type)));
  return found->second.data;
}

FileSum writeSafetensors(OutputFile &file,
                         std::vector<SafetensorsEntry> entries,
                         const std::map<std::string, std::string> &metadata) {
  std::stable_sort(entries.begin(), entries.end(),
                   [](const SafetensorsEntry &a, const SafetensorsEntry &b) {
                     return sizeOf(a.spec.type) > sizeOf(b.spec.type);
                   });
  OrderedJson header = OrderedJson::object();
  if (!metadata.empty())
    header["__metadata__"] = metadata;
  uint64_t offset = 0;
  for (const SafetensorsEntry &entry : entries) {
    uint64_t end = offset + entry.spec.bytes();
    header[entry.spec.name] = {{"dtype", safetensorsNameOf(entry.spec.type)},
                               {"shape", entry.spec.shape},
                               {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  uint64_t length = text.size();

  FileSum sum;
  Checksum checksum;
  auto write = [&](const void *bytes, uint64_t count) {
    file.write(bytes, count);
    checksum.update(bytes, count);
    sum.bytes += count;
  };
  write(&length, lengthBytes);
  write(text.data(), text.size());
  std::vector<unsigned char> staging;
  for (const SafetensorsEntry &entry : entries) {
    staging.resize(entry.spec.bytes());
    entry.fetch(staging.data());
    write(staging.data(), staging.size());
  }
  sum.checksum = checksum.text();
  return sum;
}

} // namespace fp8c::runtime
