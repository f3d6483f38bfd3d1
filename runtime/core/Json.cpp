//===- Json.cpp - Reading JSON files with errors that name the field ------===//

#include "core/Json.h"

#include "core/MappedFile.h"
#include "core/Seal.h"

#include <functional>
#include <set>

namespace fp8c::runtime {
namespace {

/// Refuses values that nest deeper than in any file of ours: copying them would
/// overflow the stack.
void limitNesting(int depth, Json::parse_event_t event) {
  constexpr int deepest = 64;
  const bool opens = event == Json::parse_event_t::array_start ||
                     event == Json::parse_event_t::object_start;
  if (opens && depth == deepest) // of what is around
    throw Json::other_error::create(
        501, "values nest more than " + std::to_string(deepest) + " deep",
        nullptr);
}

/// Notes a member that an object has twice, and limits nesting.
class ParseGuard {
public:
  bool operator()(int depth, Json::parse_event_t event, Json &value) {
    limitNesting(depth, event);
    if (event == Json::parse_event_t::object_start)
      open.emplace_back();
    else if (event == Json::parse_event_t::object_end)
      open.pop_back();
    else if (event == Json::parse_event_t::key &&
             !open.back().insert(value.get<std::string>()).second)
      twice = value.get<std::string>();
    return true;
  }

  std::string twice;

private:
  std::vector<std::set<std::string>> open; ///< members of the objects around
};

} // namespace

std::string jsonText(const OrderedJson &value, int indent) {
  return value.dump(indent, ' ', /*ensure_ascii=*/false,
                    OrderedJson::error_handler_t::replace);
}

Json parseJson(const char *first, const char *last, const std::string &path,
               const std::string &failure) {
  ParseGuard guard;
  Json document;
  try {
    document = Json::parse(first, last, std::ref(guard));
  } catch (const Json::exception &error) {
    throw Error::inFile(path, failure + ": " + error.what());
  }
  if (!guard.twice.empty())
    throw Error::inFile(path, "has \"" + guard.twice + "\" twice");
  return document;
}

std::optional<OrderedJson> tryParseJson(const char *first, const char *last) {
  try {
    return OrderedJson::parse(
        first, last,
        [](int depth, OrderedJson::parse_event_t event, OrderedJson &) {
          limitNesting(depth, event);
          return true;
        });
  } catch (const Json::exception &) {
    return std::nullopt;
  }
}

Json readJson(const std::string &path) {
  MappedFile file(path);
  auto *text = reinterpret_cast<const char *>(file.data());
  return parseJson(text, text + file.size(), path);
}

Json readSealedJson(const std::string &path, int64_t format,
                    std::string &note) {
  MappedFile file(path);
  std::string text(reinterpret_cast<const char *>(file.data()), file.size());
  Seal seal = checkSeal(text);
  if (seal == Seal::Broken)
    throw Error::inFile(path,
                        "damaged: its checksum is not that of its contents",
                        "restore it from a copy; if it was edited by hand, "
                        "remove its last member, \"checksum\"");
  Json document = parseJson(text.data(), text.data() + text.size(), path);
  JsonField found = JsonField(document, path).at("format");
  if (found.integer() != format)
    throw found.error("is " + std::to_string(found.integer()) +
                          "; this fp8c-run reads " + std::to_string(format),
                      "use the fp8c-run that wrote it, or a newer one");
  if (seal == Seal::None)
    note = path + " has no checksum: damage would not be noticed";
  return document;
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

int64_t JsonField::extent() const {
  if (size() > uint64_t(INT64_MAX))
    throw error("is too large");
  return integer();
}

bool JsonField::boolean() const {
  if (!value->is_boolean())
    throw error("expected true or false");
  return value->get<bool>();
}

} // namespace fp8c::runtime
