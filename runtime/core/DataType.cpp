//===- DataType.cpp - Element types of variables and tensors --------------===//

#include "core/DataType.h"

#include <cmath>
#include <cstring>

namespace fp8c::runtime {
namespace {

struct TypeInfo {
  DataType type;
  uint64_t size;
  const char *name;
  const char *safetensors;
};

constexpr TypeInfo types[] = {
    {DataType::F32, 4, "f32", "F32"},
    {DataType::BF16, 2, "bf16", "BF16"},
    {DataType::F16, 2, "f16", "F16"},
    {DataType::F8E4M3FN, 1, "f8E4M3FN", "F8_E4M3"},
    {DataType::F8E5M2, 1, "f8E5M2", "F8_E5M2"},
    {DataType::I64, 8, "i64", "I64"},
    {DataType::I32, 4, "i32", "I32"},
    {DataType::UI8, 1, "ui8", "U8"},
    {DataType::I1, 1, "i1", "BOOL"},
};

const TypeInfo &info(DataType type) { return types[static_cast<size_t>(type)]; }

/// A binary floating-point format narrower than f32.
struct SmallFloat {
  int exponentBits, mantissaBits;
  double max;        ///< Largest finite value.
  uint32_t overflow; ///< Code of what lies beyond: infinity, or max again.
  uint32_t nan;      ///< Code of a quiet NaN.
};

constexpr SmallFloat bf16 = {8, 7, 3.3895313892515355e38, 0x7f80, 0x7fc0};
constexpr SmallFloat f16 = {5, 10, 65504, 0x7c00, 0x7e00};
constexpr SmallFloat e4m3 = {4, 3, 448, 0x7e, 0x7f};
constexpr SmallFloat e5m2 = {5, 2, 57344, 0x7b, 0x7f};

uint32_t encode(const SmallFloat &format, double value) {
  uint32_t sign = std::signbit(value)
                      ? 1u << (format.exponentBits + format.mantissaBits)
                      : 0u;
  if (std::isnan(value))
    return sign | format.nan;
  double magnitude = std::fabs(value);
  int bias = (1 << (format.exponentBits - 1)) - 1;
  int minExponent = 1 - bias;
  int exponent = magnitude > 0 ? std::ilogb(magnitude) : minExponent;
  if (exponent < minExponent)
    exponent = minExponent; // subnormals share the smallest exponent
  if (std::isinf(magnitude))
    return sign | format.overflow;
  // In units of the last place; nearbyint rounds to nearest even.
  double units =
      std::nearbyint(std::ldexp(magnitude, format.mantissaBits - exponent));
  if (std::ldexp(units, exponent - format.mantissaBits) > format.max)
    return sign | format.overflow;
  // Adding the units carries into the exponent by itself.
  auto code = static_cast<uint32_t>(units);
  return sign | (code + (static_cast<uint32_t>(exponent - minExponent)
                         << format.mantissaBits));
}

double decode(const SmallFloat &format, uint32_t code) {
  uint32_t mantissas = 1u << format.mantissaBits;
  uint32_t exponents = 1u << format.exponentBits;
  uint32_t mantissa = code % mantissas, exponent = code / mantissas % exponents;
  double sign = code / mantissas / exponents ? -1 : 1;
  int bias = static_cast<int>(exponents / 2) - 1;
  double magnitude =
      exponent == 0
          ? std::ldexp(mantissa, 1 - bias - format.mantissaBits)
          : std::ldexp(mantissas + mantissa,
                       static_cast<int>(exponent) - bias - format.mantissaBits);
  if (magnitude > format.max)
    magnitude = mantissa == 0 ? INFINITY : NAN;
  return sign * magnitude;
}

template <class T> T get(const void *source) {
  T value;
  std::memcpy(&value, source, sizeof(T));
  return value;
}

template <class T> void put(void *destination, T value) {
  std::memcpy(destination, &value, sizeof(T));
}

} // namespace

uint64_t sizeOf(DataType type) { return info(type).size; }
const char *nameOf(DataType type) { return info(type).name; }
const char *safetensorsNameOf(DataType type) { return info(type).safetensors; }

std::optional<DataType> dataTypeFromName(const std::string &name) {
  for (const TypeInfo &entry : types)
    if (name == entry.name)
      return entry.type;
  return std::nullopt;
}

std::optional<DataType> dataTypeFromSafetensors(const std::string &name) {
  for (const TypeInfo &entry : types)
    if (name == entry.safetensors)
      return entry.type;
  return std::nullopt;
}

void storeElement(DataType type, double value, void *destination) {
  switch (type) {
  case DataType::F32:
    return put(destination, static_cast<float>(value));
  case DataType::BF16:
    return put(destination, static_cast<uint16_t>(encode(bf16, value)));
  case DataType::F16:
    return put(destination, static_cast<uint16_t>(encode(f16, value)));
  case DataType::F8E4M3FN:
    return put(destination, static_cast<uint8_t>(encode(e4m3, value)));
  case DataType::F8E5M2:
    return put(destination, static_cast<uint8_t>(encode(e5m2, value)));
  case DataType::I64:
    return put(destination, static_cast<int64_t>(value));
  case DataType::I32:
    return put(destination, static_cast<int32_t>(value));
  case DataType::UI8:
    return put(destination, static_cast<uint8_t>(value));
  case DataType::I1:
    return put(destination, static_cast<uint8_t>(value != 0));
  }
}

double loadElement(DataType type, const void *source) {
  switch (type) {
  case DataType::F32:
    return get<float>(source);
  case DataType::BF16:
    return decode(bf16, get<uint16_t>(source));
  case DataType::F16:
    return decode(f16, get<uint16_t>(source));
  case DataType::F8E4M3FN:
    return decode(e4m3, get<uint8_t>(source));
  case DataType::F8E5M2:
    return decode(e5m2, get<uint8_t>(source));
  case DataType::I64:
    return static_cast<double>(get<int64_t>(source));
  case DataType::I32:
    return get<int32_t>(source);
  case DataType::UI8:
  case DataType::I1:
    return get<uint8_t>(source);
  }
  return NAN;
}

} // namespace fp8c::runtime
