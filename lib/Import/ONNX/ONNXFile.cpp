//===- ONNXFile.cpp - An ONNX file and where its tensors stand ------------===//

#include "Import/ONNX/ONNXFile.h"

#include "Import/ONNX/DataTypes.h"
#include "Import/ONNX/MappedFile.h"
#include "Import/ONNX/MessageFields.h"
#include "core/Escape.h"

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <vector>

namespace fp8c {

/// The bytes of the tensor's data, by its shape and type; none where the type
/// has no fixed size or the shape is nonsense.
static std::optional<uint64_t> dataBytes(const onnx::TensorProto &tensor) {
  constexpr uint64_t limit = uint64_t(1) << 48; // times 128 bits fits 64 bits
  uint64_t elements = 1;
  for (int64_t dim : tensor.dims()) {
    if (dim < 0 || (dim > 0 && elements > limit / dim))
      return std::nullopt;
    elements *= dim;
  }
  unsigned bits = onnxElementBits(tensor.data_type());
  if (!bits)
    return std::nullopt;
  return (elements * bits + 7) / 8;
}

/// Whether the tensor's data, if there is any, stands in none of the fields of
/// the message.
static bool holdsNoData(const onnx::TensorProto &tensor) {
  return !tensor.float_data_size() && !tensor.int32_data_size() &&
         !tensor.int64_data_size() && !tensor.uint64_data_size() &&
         !tensor.double_data_size() && !tensor.string_data_size();
}

/// Names go into JSON, which is UTF-8; nothing says that they are.
static void makeUtf8(std::string *name) {
  if (!runtime::isUtf8(*name))
    *name = runtime::toUtf8(*name);
}

static void makeNamesUtf8(onnx::GraphProto &graph);

static void makeNamesUtf8(onnx::NodeProto &node) {
  makeUtf8(node.mutable_name());
  for (std::string &name : *node.mutable_input())
    makeUtf8(&name);
  for (std::string &name : *node.mutable_output())
    makeUtf8(&name);
  for (onnx::AttributeProto &attribute : *node.mutable_attribute())
    if (attribute.has_g())
      makeNamesUtf8(*attribute.mutable_g());
}

static void makeNamesUtf8(onnx::FunctionProto &function) {
  for (std::string &name : *function.mutable_input())
    makeUtf8(&name);
  for (std::string &name : *function.mutable_output())
    makeUtf8(&name);
  for (onnx::NodeProto &node : *function.mutable_node())
    makeNamesUtf8(node);
}

static void makeNamesUtf8(onnx::GraphProto &graph) {
  makeUtf8(graph.mutable_name());
  for (onnx::NodeProto &node : *graph.mutable_node())
    makeNamesUtf8(node);
  for (onnx::ValueInfoProto &input : *graph.mutable_input())
    makeUtf8(input.mutable_name());
  for (onnx::ValueInfoProto &output : *graph.mutable_output())
    makeUtf8(output.mutable_name());
}

/// Reads one file into an ONNXFile. Every step returns false with `error` set.
class ONNXFileReader {
public:
  ONNXFileReader(ONNXFile &file, const std::string &path, std::string &error)
      : file(file), path(path), error(error) {}

  bool read();

private:
  bool readGraph(const MessageField &graph);
  bool readInitializer(const MessageField &initializer);
  bool locateExternal(const onnx::TensorProto &tensor);
  bool checkBytes(const onnx::TensorProto &tensor, uint64_t bytes);

  bool fail(const std::string &message) {
    error = "'" + path + "' " + message;
    return false;
  }
  bool failDamaged() {
    return fail("is not an ONNX model or is damaged: re-export it");
  }

  ONNXFile &file;
  const std::string &path;
  std::string &error;
  MappedFile mapped;
};

bool ONNXFileReader::read() {
  DataFile data;
  std::string reason;
  if (!data.open(path, reason) || !mapped.map(data, reason)) {
    error = "cannot read '" + path + "': " + reason;
    return false;
  }
  if (mapped.size() > INT32_MAX)
    return fail("has 2 GiB or more, which no ONNX file can hold: re-export it "
                "with external data");

  // Protobuf merges what is parsed into a message piece by piece, so the pieces
  // around the tensors can be parsed without them.
  std::string rest;
  std::vector<MessageField> graphs;
  const char *begin = mapped.data(), *end = begin + mapped.size();
  bool ok = forEachField(begin, end, [&](const MessageField &field) {
    if (field.number == onnx::ModelProto::kGraphFieldNumber && field.isBytes)
      graphs.push_back(field);
    else
      rest.append(field.begin, field.end);
    return true;
  });
  if (!ok || !file.proto.ParseFromString(rest) || !file.proto.has_ir_version())
    return failDamaged();
  if (graphs.empty())
    return fail("has no graph");
  for (const MessageField &graph : graphs)
    if (!readGraph(graph))
      return error.empty() ? failDamaged() : false;
  makeNamesUtf8(*file.proto.mutable_graph());
  for (onnx::FunctionProto &function : *file.proto.mutable_functions())
    makeNamesUtf8(function);
  return true;
}

bool ONNXFileReader::readGraph(const MessageField &graph) {
  std::string rest;
  bool ok =
      forEachField(graph.payload, graph.end, [&](const MessageField &field) {
        if (field.number == onnx::GraphProto::kInitializerFieldNumber &&
            field.isBytes)
          return readInitializer(field);
        rest.append(field.begin, field.end);
        return true;
      });
  return ok && file.proto.mutable_graph()->MergeFromString(rest);
}

bool ONNXFileReader::readInitializer(const MessageField &initializer) {
  std::string rest;
  std::vector<MessageField> data;
  bool ok = forEachField(
      initializer.payload, initializer.end, [&](const MessageField &field) {
        bool isData = field.number == onnx::TensorProto::kRawDataFieldNumber ||
                      field.number == onnx::TensorProto::kFloatDataFieldNumber;
        if (isData && field.isBytes)
          data.push_back(field);
        else
          rest.append(field.begin, field.end);
        return true;
      });
  onnx::TensorProto &tensor = *file.proto.mutable_graph()->add_initializer();
  if (!ok || !tensor.ParseFromString(rest))
    return false;
  makeUtf8(tensor.mutable_name());
  if (tensor.data_location() == onnx::TensorProto::EXTERNAL)
    return locateExternal(tensor);

  if (data.empty() && holdsNoData(tensor))
    return checkBytes(tensor, 0);

  // Pieces that do not stand together (which no exporter writes) stay in the
  // message.
  bool isRange = data.size() == 1 && tensor.float_data_size() == 0;
  if (isRange) {
    TensorRange range{path,
                      uint64_t(data[0].payload - mapped.data()),
                      uint64_t(data[0].end - data[0].payload),
                      {}};
    if (!checkBytes(tensor, range.bytes))
      return false;
    file.ranges[tensor.name()] = range;
    if (range.bytes > ONNXFile::maxInlineBytes)
      return true;
  }
  for (const MessageField &piece : data)
    if (!tensor.MergeFromString(std::string(piece.begin, piece.end)))
      return false;
  return true;
}

bool ONNXFileReader::checkBytes(const onnx::TensorProto &tensor,
                                uint64_t bytes) {
  std::optional<uint64_t> wanted = dataBytes(tensor);
  if (!wanted)
    return fail("has an initializer '" + tensor.name() +
                "' with an unknown type or an impossible shape");
  if (bytes != *wanted)
    return fail("has " + std::to_string(bytes) + " bytes for initializer '" +
                tensor.name() + "', whose shape and type need " +
                std::to_string(*wanted) + ": it is damaged, re-export it");
  return true;
}

/// A whole decimal number, or nothing.
static std::optional<uint64_t> parseNumber(const std::string &text) {
  if (text.empty() || text.size() > 18 ||
      text.find_first_not_of("0123456789") != std::string::npos)
    return std::nullopt;
  return std::strtoull(text.c_str(), nullptr, 10);
}

bool ONNXFileReader::locateExternal(const onnx::TensorProto &tensor) {
  std::string name = "external data of '" + tensor.name() + "'";
  std::string location;
  std::optional<uint64_t> offset = 0, length = dataBytes(tensor);
  for (const onnx::StringStringEntryProto &entry : tensor.external_data()) {
    if (entry.key() == "location")
      location = entry.value();
    else if (entry.key() == "offset")
      offset = parseNumber(entry.value());
    else if (entry.key() == "length")
      length = parseNumber(entry.value());
  }
  if (location.empty())
    return fail("names no file for the " + name);
  if (!offset || !length)
    return fail("gives no usable offset and length for the " + name);
  if (!checkBytes(tensor, *length))
    return false;
  if (std::string problem = checkLocation(location); !problem.empty())
    return fail("has a location for the " + name + " that " + problem +
                ": a model names files of its own folder only");

  TensorRange range;
  range.offset = *offset;
  range.bytes = *length;
  range.folder = std::filesystem::path(path).parent_path().string();
  if (range.folder.empty())
    range.folder = ".";
  range.path = (std::filesystem::path(range.folder) / location).string();
  DataFile data;
  std::string reason;
  if (!range.open(data, reason))
    return fail("keeps the " + name + " in '" + range.path +
                "', which cannot be read: " + reason);
  file.ranges[tensor.name()] = range;
  return true;
}

std::unique_ptr<ONNXFile> ONNXFile::open(const std::string &path,
                                         std::string &error) {
  error.clear();
  auto file = std::make_unique<ONNXFile>();
  if (!ONNXFileReader(*file, path, error).read())
    return nullptr;
  return file;
}

const TensorRange *ONNXFile::range(const std::string &name) const {
  auto found = ranges.find(name);
  return found == ranges.end() ? nullptr : &found->second;
}

} // namespace fp8c
