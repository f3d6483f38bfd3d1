//===- Json.h - Reading JSON files with errors that name the field -*- C++ -*-//

#ifndef FP8C_RUNTIME_CORE_JSON_H
#define FP8C_RUNTIME_CORE_JSON_H

#include "core/Error.h"

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <vector>

namespace fp8c::runtime {

/// For reading: members sorted by key, so that large objects are found fast.
using Json = nlohmann::json;

/// For writing files that people read: members in the order of insertion.
using OrderedJson = nlohmann::ordered_json;

/// The value as text; each of its lines indented by `indent` spaces a level, or
/// all on one. Strings of JSON are UTF-8: other bytes become U+FFFD.
std::string jsonText(const OrderedJson &value, int indent = -1);

/// Parses text of the file `path`. Throws Error, `failure` and where, if it is
/// not JSON, nests too deep, or an object has two members of one name.
Json parseJson(const char *first, const char *last, const std::string &path,
               const std::string &failure = "not valid JSON");

/// Text that may be anything: nothing if it is not JSON or nests too deep.
std::optional<OrderedJson> tryParseJson(const char *first, const char *last);

/// Parses a whole file. Throws Error if it cannot be read or is not JSON.
Json readJson(const std::string &path);

/// Parses a file that seal() wrote. Throws Error if its "format" is another or
/// it has changed since. If it has no checksum, `note` says so.
Json readSealedJson(const std::string &path, int64_t format, std::string &note);

/// A value inside a JSON file together with where it is, so that each getter
/// can say "variables[3].offset: expected a non-negative integer (file)".
class JsonField {
public:
  JsonField(const Json &value, std::string file, std::string place = "")
      : value(&value), file(std::move(file)), place(std::move(place)) {}

  bool has(const std::string &key) const {
    return value->is_object() && value->contains(key);
  }

  /// A member that must be there.
  JsonField at(const std::string &key) const;

  std::vector<JsonField> items() const;
  std::vector<std::pair<std::string, JsonField>> members() const;

  std::string string() const;
  double number() const;
  int64_t integer() const;
  uint64_t size() const;  ///< a non-negative integer
  int64_t extent() const; ///< of a tensor: also not above 2^63 - 1
  bool boolean() const;

  /// An optional member.
  std::string string(const std::string &key, std::string otherwise) const {
    return has(key) ? at(key).string() : std::move(otherwise);
  }
  double number(const std::string &key, double otherwise) const {
    return has(key) ? at(key).number() : otherwise;
  }
  int64_t integer(const std::string &key, int64_t otherwise) const {
    return has(key) ? at(key).integer() : otherwise;
  }

  /// An error about this field.
  Error error(const std::string &what, const std::string &hint = "") const;

private:
  const Json *value;
  std::string file, place;
};

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_JSON_H
