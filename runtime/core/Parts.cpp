//===- Parts.cpp - Variables that hold several of a model's ---------------===//

#include "core/Parts.h"

#include "core/Error.h"
#include "core/Instance.h"
#include "core/Text.h"

#include <algorithm>
#include <cstring>
#include <memory>

namespace fp8c::runtime {
namespace {

/// Rows of the whole, each with a piece of every part.
struct Rows {
  uint64_t count, pitch, piece;

  Rows(const Variable &variable, const Variable &part)
      : count(variable.partRows), pitch(count ? variable.bytes() / count : 0),
        piece(count ? part.bytes() / count : 0) {}
};

} // namespace

void takePart(const Variable &variable, const Variable &part,
              const unsigned char *whole, unsigned char *bytes) {
  const Rows rows(variable, part);
  for (uint64_t i = 0; i < rows.count; ++i)
    std::memcpy(bytes + i * rows.piece, whole + i * rows.pitch + part.offset,
                rows.piece);
}

void putPart(const Variable &variable, const Variable &part,
             const unsigned char *bytes, unsigned char *whole) {
  const Rows rows(variable, part);
  for (uint64_t i = 0; i < rows.count; ++i)
    std::memcpy(whole + i * rows.pitch + part.offset, bytes + i * rows.piece,
                rows.piece);
}

std::vector<SafetensorsEntry> entriesOf(const Instance &instance,
                                        const Variable &variable) {
  if (variable.parts.empty())
    return {{variable, [&](unsigned char *destination) {
               instance.read(variable, destination);
             }}};
  // Read once for all parts, which are written one after the other.
  struct Whole {
    std::vector<unsigned char> bytes;
    size_t left;
  };
  auto whole = std::make_shared<Whole>();
  whole->left = variable.parts.size();
  std::vector<SafetensorsEntry> entries;
  for (const Variable &part : variable.parts)
    entries.push_back(
        {part,
         [&instance, &variable, &part, whole](unsigned char *destination) {
           if (whole->bytes.empty()) {
             whole->bytes.resize(variable.bytes());
             instance.read(variable, whole->bytes.data());
           }
           takePart(variable, part, whole->bytes.data(), destination);
           if (--whole->left == 0)
             whole->bytes = {};
         }});
  return entries;
}

bool GivenVariables::has(const Variable &variable) const {
  const Variable::Stored parts = variable.stored();
  return std::any_of(parts.begin(), parts.end(), [&](const Variable &part) {
    return file.tensors().count(part.name) != 0;
  });
}

bool GivenVariables::hasAll(const Variable &variable) const {
  const Variable::Stored parts = variable.stored();
  return std::all_of(parts.begin(), parts.end(), [&](const Variable &part) {
    return file.tensors().count(part.name) != 0;
  });
}

bool GivenVariables::isWide(const Variable &variable) const {
  if ((variable.role != Role::Parameter && variable.role != Role::Frozen) ||
      variable.type == DataType::F32)
    return false;
  const Variable::Stored parts = variable.stored();
  return std::any_of(parts.begin(), parts.end(), [&](const Variable &part) {
    auto found = file.tensors().find(part.name);
    return found != file.tensors().end() &&
           found->second.spec.type == DataType::F32;
  });
}

const unsigned char *GivenVariables::find(const Variable &variable) {
  if (variable.parts.empty() || !has(variable))
    return file.find(variable);
  std::vector<unsigned char> &bytes = joined[variable.name];
  if (!bytes.empty())
    return bytes.data();
  bytes.resize(variable.bytes());
  bool isFirst = true;
  for (const Variable &part : variable.parts) {
    const unsigned char *data = file.find(part);
    if (!data) {
      auto there = std::find_if(variable.parts.begin(), variable.parts.end(),
                                [&](const Variable &other) {
                                  return file.tensors().count(other.name) != 0;
                                });
      throw Error::inFile(path(), "lacks \"" + part.name +
                                      "\": the program keeps it together with "
                                      "\"" +
                                      there->name + "\"");
    }
    const bool isShared = part.bytes() == variable.bytes();
    if (isShared && !isFirst &&
        std::memcmp(bytes.data(), data, bytes.size()) != 0)
      throw Error::inFile(
          path(),
          "\"" + part.name + "\" differs from \"" +
              variable.parts.front().name +
              "\", and the program has one for both",
          "give the values in f32, or compile with a recipe that says 'merge: "
          "none'");
    putPart(variable, part, data, bytes.data());
    isFirst = false;
  }
  return bytes.data();
}

} // namespace fp8c::runtime
