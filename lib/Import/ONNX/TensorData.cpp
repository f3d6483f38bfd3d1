//===- TensorData.cpp - The elements of ONNX tensors ----------------------===//

#include "Import/ONNX/TensorData.h"

#include "Import/ONNX/DataTypes.h"
#include "mlir/IR/Builders.h"
#include "llvm/Support/Endian.h"

using namespace mlir;
using onnx::TensorProto;

namespace fp8c {

StringRef onnxTypeName(int32_t dataType) {
  static constexpr StringLiteral names[] = {
      "undefined",      "float",        "uint8",          "int8",
      "uint16",         "int16",        "int32",          "int64",
      "string",         "bool",         "float16",        "double",
      "uint32",         "uint64",       "complex64",      "complex128",
      "bfloat16",       "float8e4m3fn", "float8e4m3fnuz", "float8e5m2",
      "float8e5m2fnuz", "uint4",        "int4",           "float4e2m1",
      "float8e8m0"};
  return dataType >= 0 && dataType < int32_t(std::size(names))
             ? StringRef(names[dataType])
             : StringRef("unknown");
}

bool isOnnxFloat(int32_t dataType) {
  return dataType == TensorProto::FLOAT || dataType == TensorProto::FLOAT16 ||
         dataType == TensorProto::BFLOAT16 || dataType == TensorProto::DOUBLE;
}

Type importElementType(int32_t dataType, MLIRContext *context) {
  Builder builder(context);
  if (isOnnxFloat(dataType))
    return builder.getF32Type();
  switch (dataType) {
  case onnxFloat8E4M3FN:
    return builder.getType<Float8E4M3FNType>();
  case onnxFloat8E5M2:
    return builder.getType<Float8E5M2Type>();
  case TensorProto::BOOL:
    return builder.getI1Type();
  case TensorProto::INT8:
  case TensorProto::INT16:
  case TensorProto::INT32:
  case TensorProto::INT64:
    return builder.getIntegerType(onnxElementBits(dataType));
  case TensorProto::UINT8:
  case TensorProto::UINT16:
  case TensorProto::UINT32:
  case TensorProto::UINT64:
    return builder.getIntegerType(onnxElementBits(dataType),
                                  /*isSigned=*/false);
  }
  return {};
}

/// The number that the bits of a float of 8 or 16 bits stand for.
static float widen(const llvm::fltSemantics &semantics, uint16_t bits) {
  unsigned width = llvm::APFloat::getSizeInBits(semantics);
  llvm::APFloat number(semantics, llvm::APInt(16, bits).trunc(width));
  bool losesInfo;
  number.convert(llvm::APFloat::IEEEsingle(),
                 llvm::APFloat::rmNearestTiesToEven, &losesInfo);
  return number.convertToFloat();
}

/// Converts little-endian elements that are stored as `T`.
template <typename T, typename To, typename Convert>
static std::vector<To> convertRaw(StringRef bytes, Convert convert) {
  std::vector<To> result(bytes.size() / sizeof(T));
  for (size_t i = 0; i < result.size(); ++i)
    result[i] =
        convert(llvm::support::endian::read<T, llvm::endianness::little>(
            bytes.data() + i * sizeof(T)));
  return result;
}

static float fromHalf(uint16_t bits) {
  return widen(llvm::APFloat::IEEEhalf(), bits);
}
static float fromBFloat(uint16_t bits) {
  return widen(llvm::APFloat::BFloat(), bits);
}
static float fromE4M3(uint16_t bits) {
  return widen(llvm::APFloat::Float8E4M3FN(), bits);
}
static float fromE5M2(uint16_t bits) {
  return widen(llvm::APFloat::Float8E5M2(), bits);
}
static float fromDouble(double number) { return float(number); }
template <typename To, typename From> static To keep(From number) {
  return To(number);
}

static std::vector<float> rawFloats(int32_t dataType, StringRef bytes) {
  switch (dataType) {
  case TensorProto::FLOAT16:
    return convertRaw<uint16_t, float>(bytes, fromHalf);
  case TensorProto::BFLOAT16:
    return convertRaw<uint16_t, float>(bytes, fromBFloat);
  case TensorProto::DOUBLE:
    return convertRaw<double, float>(bytes, fromDouble);
  case onnxFloat8E4M3FN:
    return convertRaw<uint8_t, float>(bytes, fromE4M3);
  case onnxFloat8E5M2:
    return convertRaw<uint8_t, float>(bytes, fromE5M2);
  default:
    return convertRaw<float, float>(bytes, keep<float, float>);
  }
}

template <typename T> static std::vector<int64_t> rawIntegers(StringRef bytes) {
  return convertRaw<T, int64_t>(bytes, keep<int64_t, T>);
}

static std::vector<int64_t> rawIntegers(int32_t dataType, StringRef bytes) {
  switch (dataType) {
  case TensorProto::INT8:
    return rawIntegers<int8_t>(bytes);
  case TensorProto::INT16:
    return rawIntegers<int16_t>(bytes);
  case TensorProto::UINT16:
    return rawIntegers<uint16_t>(bytes);
  case TensorProto::INT32:
    return rawIntegers<int32_t>(bytes);
  case TensorProto::UINT32:
    return rawIntegers<uint32_t>(bytes);
  case TensorProto::INT64:
    return rawIntegers<int64_t>(bytes);
  case TensorProto::UINT64:
    return rawIntegers<uint64_t>(bytes);
  case TensorProto::BOOL:
    return convertRaw<uint8_t, int64_t>(bytes,
                                        [](uint8_t b) { return b != 0; });
  default:
    return rawIntegers<uint8_t>(bytes);
  }
}

/// The elements in the message's field of numbers for this type; narrow types
/// stand in int32_data, floats of 16 bits by their bits.
static std::vector<float> fieldFloats(const TensorProto &tensor) {
  std::vector<float> result(tensor.float_data().begin(),
                            tensor.float_data().end());
  for (double number : tensor.double_data())
    result.push_back(fromDouble(number));
  float (*convert)(uint16_t) = fromBFloat;
  if (tensor.data_type() == TensorProto::FLOAT16)
    convert = fromHalf;
  else if (tensor.data_type() == onnxFloat8E4M3FN)
    convert = fromE4M3;
  else if (tensor.data_type() == onnxFloat8E5M2)
    convert = fromE5M2;
  for (int32_t bits : tensor.int32_data())
    result.push_back(convert(bits));
  return result;
}

static std::vector<int64_t> fieldIntegers(const TensorProto &tensor) {
  std::vector<int64_t> result(tensor.int64_data().begin(),
                              tensor.int64_data().end());
  result.insert(result.end(), tensor.int32_data().begin(),
                tensor.int32_data().end());
  result.insert(result.end(), tensor.uint64_data().begin(),
                tensor.uint64_data().end());
  if (tensor.data_type() == TensorProto::BOOL)
    for (int64_t &element : result)
      element = element != 0;
  return result;
}

ConstantPtr decodeTensor(const TensorProto &tensor, const TensorRange *range,
                         MLIRContext *context, std::string &error) {
  auto fail = [&](const Twine &message) {
    error = message.str();
    return nullptr;
  };
  Type element = importElementType(tensor.data_type(), context);
  if (!element)
    return fail("has element type " + onnxTypeName(tensor.data_type()) +
                ", which no graph can use here");
  SmallVector<int64_t> shape(tensor.dims().begin(), tensor.dims().end());
  std::optional<int64_t> count = countElements(shape);
  if (!count)
    return fail("has an impossible shape");
  if (*count > Constant::maxElements)
    return fail("has too many elements to compute with: " + Twine(*count));

  std::string fromFile;
  bool isInMessage = tensor.has_raw_data() || !range;
  if (!isInMessage && !range->read(fromFile, error))
    return nullptr;
  if (!range && tensor.data_location() == TensorProto::EXTERNAL)
    return fail("keeps its elements in another file");

  bool isRaw = tensor.has_raw_data() || !isInMessage;
  StringRef bytes = isInMessage ? StringRef(tensor.raw_data()) : fromFile;
  if (isRaw && bytes.size() !=
                   uint64_t(*count) * onnxElementBits(tensor.data_type()) / 8)
    return fail("has " + Twine(bytes.size()) + " bytes for " + Twine(*count) +
                " elements");

  auto type = RankedTensorType::get(shape, element);
  auto make = [&](auto elements) -> ConstantPtr {
    if (int64_t(elements.size()) != *count)
      return fail("has " + Twine(elements.size()) +
                  " elements for a shape of " + Twine(*count));
    return std::make_shared<Constant>(type, std::move(elements));
  };
  if (isa<FloatType>(element))
    return make(isRaw ? rawFloats(tensor.data_type(), bytes)
                      : fieldFloats(tensor));
  return make(isRaw ? rawIntegers(tensor.data_type(), bytes)
                    : fieldIntegers(tensor));
}

} // namespace fp8c
