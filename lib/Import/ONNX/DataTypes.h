//===- DataTypes.h - ONNX's tensor element types ----------------*- C++ -*-===//
//
// Debian's ONNX headers stop at IR version 8. In the file a data type is a
// plain integer: the later ones are named here.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_IMPORT_ONNX_DATATYPES_H
#define FP8C_IMPORT_ONNX_DATATYPES_H

#include <cstdint>

namespace fp8c {

constexpr int32_t onnxFloat8E4M3FN = 17;
constexpr int32_t onnxFloat8E4M3FNUZ = 18;
constexpr int32_t onnxFloat8E5M2 = 19;
constexpr int32_t onnxFloat8E5M2FNUZ = 20;
constexpr int32_t onnxUInt4 = 21;
constexpr int32_t onnxInt4 = 22;
constexpr int32_t onnxFloat4E2M1 = 23;
constexpr int32_t onnxFloat8E8M0 = 24;

/// The bits of one element in raw_data; 0 where there is no fixed size
/// (strings) or the type is unknown. Types of 4 bits are packed in pairs.
unsigned onnxElementBits(int32_t dataType);

} // namespace fp8c

#endif // FP8C_IMPORT_ONNX_DATATYPES_H
