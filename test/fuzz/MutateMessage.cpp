//===- MutateMessage.cpp - Changes to a protobuf message ------------------===//
//
// Flipped bytes seldom leave a message that can be parsed, so that what comes
// after parsing would be seen little.
//
//===----------------------------------------------------------------------===//

#include "MutateMessage.h"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

namespace fp8c::fuzz {
namespace {

class Mutator {
public:
  explicit Mutator(unsigned seed) : random(seed) {}

  void mutate(Message &root) {
    messages.clear();
    collect(root);
    Message &message = *messages[below(messages.size())];
    std::vector<const FieldDescriptor *> fields;
    if (below(4)) // mostly what is there
      message.GetReflection()->ListFields(message, &fields);
    if (fields.empty())
      for (int i = 0; i < message.GetDescriptor()->field_count(); ++i)
        fields.push_back(message.GetDescriptor()->field(i));
    const FieldDescriptor *field = fields[below(fields.size())];
    if (field->is_repeated())
      mutateList(message, field);
    else
      set(message, field);
  }

private:
  size_t below(size_t n) { return random() % n; }

  void collect(Message &message) {
    messages.push_back(&message);
    const Reflection *reflection = message.GetReflection();
    std::vector<const FieldDescriptor *> fields;
    reflection->ListFields(message, &fields);
    for (const FieldDescriptor *field : fields) {
      if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE)
        continue;
      if (!field->is_repeated())
        collect(*reflection->MutableMessage(&message, field));
      else
        for (int i = 0; i < reflection->FieldSize(message, field); ++i)
          collect(*reflection->MutableRepeatedMessage(&message, field, i));
    }
  }

  int64_t integer(int64_t old) {
    static constexpr int64_t edges[] = {
        0,         1,        -1,      2,         7,         8,
        16,        32,       1 << 24, INT32_MAX, INT32_MIN, int64_t(1) << 40,
        INT64_MAX, INT64_MIN};
    return below(2) ? int64_t(uint64_t(old) + below(17) - 8)
                    : edges[below(std::size(edges))];
  }

  double number(double old) {
    static constexpr double edges[] = {0, -1, 1, 1e-30, 1e30, 1e300};
    switch (below(4)) {
    case 0:
      return old / 0.0;
    case 1:
      return old * 2;
    default:
      return edges[below(std::size(edges))];
    }
  }

  /// One of the names in the model, or other bytes.
  std::string string(std::string old) {
    if (below(2)) {
      const Message &other = *messages[below(messages.size())];
      std::vector<const FieldDescriptor *> fields;
      other.GetReflection()->ListFields(other, &fields);
      for (const FieldDescriptor *field : fields)
        if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING &&
            below(2) == 0)
          return field->is_repeated()
                     ? other.GetReflection()->GetRepeatedString(other, field, 0)
                     : other.GetReflection()->GetString(other, field);
    }
    size_t size = old.size();
    old.resize(size + 8);
    old.resize(LLVMFuzzerMutate(reinterpret_cast<uint8_t *>(&old[0]), size,
                                old.size()));
    return old;
  }

  void mutateList(Message &message, const FieldDescriptor *field) {
    const Reflection *reflection = message.GetReflection();
    int size = reflection->FieldSize(message, field);
    if (size == 0 || below(8) == 0)
      return add(message, field);
    int at = int(below(size)), last = size - 1;
    switch (below(4)) {
    case 0:
      reflection->SwapElements(&message, field, at, last);
      return reflection->RemoveLast(&message, field);
    case 1:
      return reflection->SwapElements(&message, field, at, int(below(size)));
    default:
      return setElement(message, field, at);
    }
  }

// One case per C++ type of a field, each with the reflection's own names.
#define FOR_EACH_TYPE(CASE)                                                    \
  CASE(INT32, Int32, int32_t(integer(old)))                                    \
  CASE(INT64, Int64, integer(old))                                             \
  CASE(UINT32, UInt32, uint32_t(integer(int64_t(old))))                        \
  CASE(UINT64, UInt64, uint64_t(integer(int64_t(old))))                        \
  CASE(FLOAT, Float, float(number(old)))                                       \
  CASE(DOUBLE, Double, number(old))                                            \
  CASE(BOOL, Bool, !old)                                                       \
  CASE(ENUM, EnumValue, int(integer(old)))                                     \
  CASE(STRING, String, string(old))

  void set(Message &message, const FieldDescriptor *field) {
    const Reflection *reflection = message.GetReflection();
    if (reflection->HasField(message, field) && below(4) == 0)
      return reflection->ClearField(&message, field);
    switch (field->cpp_type()) {
#define CASE(TYPE, Name, change)                                               \
  case FieldDescriptor::CPPTYPE_##TYPE: {                                      \
    auto old = reflection->Get##Name(message, field);                          \
    return reflection->Set##Name(&message, field, change);                     \
  }
      FOR_EACH_TYPE(CASE)
#undef CASE
    case FieldDescriptor::CPPTYPE_MESSAGE:
      std::string bytes = another(field);
      reflection->MutableMessage(&message, field)
          ->ParsePartialFromString(bytes);
    }
  }

  void setElement(Message &message, const FieldDescriptor *field, int at) {
    const Reflection *reflection = message.GetReflection();
    switch (field->cpp_type()) {
#define CASE(TYPE, Name, change)                                               \
  case FieldDescriptor::CPPTYPE_##TYPE: {                                      \
    auto old = reflection->GetRepeated##Name(message, field, at);              \
    return reflection->SetRepeated##Name(&message, field, at, change);         \
  }
      FOR_EACH_TYPE(CASE)
#undef CASE
    case FieldDescriptor::CPPTYPE_MESSAGE:
      reflection->MutableRepeatedMessage(&message, field, at)
          ->ParsePartialFromString(another(field));
    }
  }

  void add(Message &message, const FieldDescriptor *field) {
    const Reflection *reflection = message.GetReflection();
    switch (field->cpp_type()) {
#define CASE(TYPE, Name, change)                                               \
  case FieldDescriptor::CPPTYPE_##TYPE: {                                      \
    decltype(reflection->Get##Name(message, field)) old{};                     \
    return reflection->Add##Name(&message, field, change);                     \
  }
      FOR_EACH_TYPE(CASE)
#undef CASE
    case FieldDescriptor::CPPTYPE_MESSAGE:
      reflection->AddMessage(&message, field)
          ->ParsePartialFromString(another(field));
    }
  }
#undef FOR_EACH_TYPE

  /// The bytes of a message for this field, as the model has one elsewhere;
  /// none if it has none. Bytes, because a field that is set can end another
  /// message.
  std::string another(const FieldDescriptor *field) {
    for (size_t tries = 0; tries < 16; ++tries)
      if (const Message &other = *messages[below(messages.size())];
          other.GetDescriptor() == field->message_type())
        return other.SerializePartialAsString();
    return "";
  }

  std::minstd_rand random;
  std::vector<Message *> messages;
};

} // namespace

size_t mutateMessage(Message &message, uint8_t *data, size_t size,
                     size_t maxSize, unsigned seed) {
  Mutator(seed).mutate(message);
  std::string bytes = message.SerializePartialAsString();
  if (bytes.size() > maxSize)
    return LLVMFuzzerMutate(data, size, maxSize);
  std::copy(bytes.begin(), bytes.end(), data);
  return bytes.size();
}

} // namespace fp8c::fuzz
