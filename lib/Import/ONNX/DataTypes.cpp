//===- DataTypes.cpp - ONNX's tensor element types ------------------------===//

#include "Import/ONNX/DataTypes.h"

#include <onnx/onnx_pb.h>

namespace fp8c {

unsigned onnxElementBits(int32_t dataType) {
  switch (dataType) {
  case onnxUInt4:
  case onnxInt4:
  case onnxFloat4E2M1:
    return 4;
  case onnx::TensorProto::BOOL:
  case onnx::TensorProto::INT8:
  case onnx::TensorProto::UINT8:
  case onnxFloat8E4M3FN:
  case onnxFloat8E4M3FNUZ:
  case onnxFloat8E5M2:
  case onnxFloat8E5M2FNUZ:
  case onnxFloat8E8M0:
    return 8;
  case onnx::TensorProto::FLOAT16:
  case onnx::TensorProto::BFLOAT16:
  case onnx::TensorProto::INT16:
  case onnx::TensorProto::UINT16:
    return 16;
  case onnx::TensorProto::FLOAT:
  case onnx::TensorProto::INT32:
  case onnx::TensorProto::UINT32:
    return 32;
  case onnx::TensorProto::DOUBLE:
  case onnx::TensorProto::INT64:
  case onnx::TensorProto::UINT64:
  case onnx::TensorProto::COMPLEX64:
    return 64;
  case onnx::TensorProto::COMPLEX128:
    return 128;
  }
  return 0;
}

} // namespace fp8c
