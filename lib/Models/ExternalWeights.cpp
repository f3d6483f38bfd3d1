//===- ExternalWeights.cpp - Weights in a file beside the model -----------===//

#include "Models/ExternalWeights.h"

#include "Import/ONNX/DataFile.h"
#include "Models/FirstWeights.h"
#include "core/Escape.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <google/protobuf/io/zero_copy_stream_impl.h>
#include <unistd.h>

namespace fp8c {

constexpr uint64_t page = 4096;
constexpr char signature[] = "weights of a model that fp8c wrote\n";

/// What follows `bytes` begins a page.
static uint64_t padded(uint64_t bytes) {
  return (bytes + page - 1) / page * page;
}

/// Whether the file begins with our page.
static bool isOurs(int descriptor) {
  char begin[sizeof signature - 1];
  return pread(descriptor, begin, sizeof begin, 0) == sizeof begin &&
         std::memcmp(begin, signature, sizeof begin) == 0;
}

std::string checkExternalWeights(const std::string &path, bool &isReplaced) {
  std::string data = externalWeightsPath(path);
  std::filesystem::path parts(data);
  std::string location = parts.filename(), folder = parts.parent_path();
  std::string problem =
      runtime::isUtf8(location) ? checkLocation(location) : "is not UTF-8";
  if (!problem.empty())
    return "cannot write '" + data + "': its name " + problem;
  std::error_code code;
  isReplaced =
      std::filesystem::exists(std::filesystem::symlink_status(data, code));
  if (!isReplaced)
    return "";
  DataFile file;
  if (!file.open(folder.empty() ? "." : folder, location, problem))
    return "cannot replace '" + data + "': " + problem;
  if (!isOurs(file.descriptor()))
    return "will not replace '" + data +
           "', which fp8c did not write: remove it or choose another name";
  return "";
}

uint64_t addExternalInitializers(GraphBuilder &builder,
                                 const std::string &location) {
  uint64_t offset = page;
  for (const Parameter &parameter : builder.parameters()) {
    onnx::TensorProto *tensor = builder.graph().add_initializer();
    tensor->set_name(parameter.name);
    tensor->set_data_type(onnx::TensorProto::FLOAT);
    for (int64_t dim : parameter.shape)
      tensor->add_dims(dim);
    tensor->set_data_location(onnx::TensorProto::EXTERNAL);
    auto note = [&](const char *key, const std::string &value) {
      onnx::StringStringEntryProto *entry = tensor->add_external_data();
      entry->set_key(key);
      entry->set_value(value);
    };
    note("location", location);
    note("offset", std::to_string(offset));
    note("length", std::to_string(weightBytes(parameter)));
    offset += padded(weightBytes(parameter));
  }
  return offset;
}

int writeExternalWeights(const std::vector<Parameter> &parameters,
                         uint64_t seed, uint64_t bytes, int descriptor) {
  if (fallocate(descriptor, 0, 0, off_t(bytes)) != 0 && errno != EOPNOTSUPP &&
      errno != ENOSYS)
    return errno;
  google::protobuf::io::FileOutputStream file(descriptor, 1 << 20);
  std::string padding = signature;
  padding.resize(page, '\0');
  {
    google::protobuf::io::CodedOutputStream out(&file);
    out.WriteString(padding);
    padding.assign(page, '\0');
    for (const Parameter &parameter : parameters) {
      writeFirstWeights(parameter, seed, out);
      uint64_t written = weightBytes(parameter);
      out.WriteRaw(padding.data(), int(padded(written) - written));
    }
  }
  return file.Flush() ? 0 : file.GetErrno();
}

} // namespace fp8c
