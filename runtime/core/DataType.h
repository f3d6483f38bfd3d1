//===- DataType.h - Element types of variables and tensors ------*- C++ -*-===//

#ifndef FP8C_RUNTIME_CORE_DATATYPE_H
#define FP8C_RUNTIME_CORE_DATATYPE_H

#include <cstdint>
#include <optional>
#include <string>

namespace fp8c::runtime {

/// The element types a manifest can name.
enum class DataType { F32, BF16, F16, F8E4M3FN, F8E5M2, I64, I32, UI8, I1 };

/// Bytes of one element; i1 takes a whole byte.
uint64_t sizeOf(DataType type);

/// The manifest's name: "f32", "f8E4M3FN", ...
const char *nameOf(DataType type);

/// The name in safetensors files: "F32", "F8_E4M3", ...
const char *safetensorsNameOf(DataType type);

/// The inverses; nothing for a name that is not known.
std::optional<DataType> dataTypeFromName(const std::string &name);
std::optional<DataType> dataTypeFromSafetensors(const std::string &name);

/// Stores `value` at `destination` as one element. Rounds to nearest even; FP8
/// saturates to its largest finite value, wider floats overflow to infinity,
/// NaN stays NaN, integers truncate. Made for initial values, not for speed.
void storeElement(DataType type, double value, void *destination);

/// The value of one element.
double loadElement(DataType type, const void *source);

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_DATATYPE_H
