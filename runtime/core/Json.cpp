//===- Json.cpp - Reading JSON files with errors that name the field ------===//

#include "core/Json.h"

#include <cerrno>
#include <cstring>
#include <fstream>

namespace fp8c::runtime {

std::string jsonText(const OrderedJson &value, int indent) {
  return value.dump(indent, ' ', /*ensure_ascii=*/false,
                    OrderedJson::error_handler_t::replace);
}

Json readJson(const std::string &path) {
  errno = 0;
  std::ifstream stream(path);
  if (!stream)
    throw Error::inFile(path, std::string("cannot read: ") +
                                  std::strerror(errno ? errno : EIO));
  try {
    return Json::parse(stream);
  } catch (const Json::exception &failure) {
    throw Error::inFile(path, std::string("not valid JSON: ") + failure.what());
  }
}

Error JsonField::error(const std::string &what, const std::string &hint) const {
  return Error::inFile(file, (place.empty() ? "" : place + ": ") + what, hint);
}

JsonField JsonField::at(const std::string &key) const {
  if (!value->is_object())
    throw error("expected an object");
  auto found = value->find(key);
  if (found == value->end())
    throw error("has no \"" + key + "\"");
  return {*found, file, place.empty() ? key : place + "." + key};
}

std::vector<JsonField> JsonField::items() const {
  if (!value->is_array())
    throw error("expected an array");
  std::vector<JsonField> fields;
  for (size_t i = 0; i < value->size(); ++i)
    fields.emplace_back((*value)[i], file,
                        place + "[" + std::to_string(i) + "]");
  return fields;
}

std::vector<std::pair<std::string, JsonField>> JsonField::members() const {
  if (!value->is_object())
    throw error("expected an object");
  std::vector<std::pair<std::string, JsonField>> fields;
  for (const auto &[key, member] : value->items())
    fields.emplace_back(
        key, JsonField(member, file, place.empty() ? key : place + "." + key));
  return fields;
}

std::string JsonField::string() const {
  if (!value->is_string())
    throw error("expected a string");
  return value->get<std::string>();
}

double JsonField::number() const {
  if (!value->is_number())
    throw error("expected a number");
  return value->get<double>();
}

int64_t JsonField::integer() const {
  if (!value->is_number_integer())
    throw error("expected an integer");
  return value->get<int64_t>();
}

uint64_t JsonField::size() const {
  if (!value->is_number_integer() ||
      (!value->is_number_unsigned() && value->get<int64_t>() < 0))
    throw error("expected a non-negative integer");
  return value->get<uint64_t>();
}

bool JsonField::boolean() const {
  if (!value->is_boolean())
    throw error("expected true or false");
  return value->get<bool>();
}

} // namespace fp8c::runtime
