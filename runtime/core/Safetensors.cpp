//===- Safetensors.cpp - Reading and writing .safetensors files -----------===//

#include "core/Safetensors.h"

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

  Json document;
  try {
    document = Json::parse(header, data, limitNesting);
  } catch (const Json::exception &failure) {
    throw Error::inFile(path, "not a safetensors file: header is not JSON");
  }
  for (const auto &[name, entry] : JsonField(document, path).members()) {
    if (name == "__metadata__")
      continue;
    Tensor tensor;
    tensor.spec.name = name;
    std::string typeName = entry.at("dtype").string();
    std::optional<DataType> type = dataTypeFromSafetensors(typeName);
    if (!type)
      throw entry.at("dtype").error("\"" + typeName + "\" is not supported");
    tensor.spec.type = *type;
    uint64_t bytes = sizeOf(*type);
    for (const JsonField &extent : entry.at("shape").items()) {
      tensor.spec.shape.push_back(extent.extent());
      if (__builtin_mul_overflow(bytes, extent.extent(), &bytes))
        throw entry.at("shape").error("the tensor is too large");
    }
    std::vector<JsonField> range = entry.at("data_offsets").items();
    if (range.size() != 2 || range[0].size() > range[1].size() ||
        range[1].size() > dataBytes ||
        range[1].size() - range[0].size() != bytes)
      throw entry.at("data_offsets")
          .error("does not fit the file, the dtype and the shape");
    tensor.data = data + range[0].size();
    theTensors.emplace(name, std::move(tensor));
  }
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

void writeSafetensors(OutputFile &file, std::vector<SafetensorsEntry> entries,
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
  std::string text = jsonText(header);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  uint64_t length = text.size();
  file.write(&length, lengthBytes);
  file.write(text);

  std::vector<unsigned char> staging;
  for (const SafetensorsEntry &entry : entries) {
    staging.resize(entry.spec.bytes());
    entry.fetch(staging.data());
    file.write(staging.data(), staging.size());
  }
}

} // namespace fp8c::runtime
