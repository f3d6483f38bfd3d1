//===- ConstantMath.h - Operators on known elements -------------*- C++ -*-===//
//
// Exporters compute shapes, positions and masks with nodes. Where the elements
// of all inputs are known these handlers compute the result.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_IMPORT_ONNX_CONSTANTMATH_H
#define FP8C_IMPORT_ONNX_CONSTANTMATH_H

#include "Import/ONNX/Node.h"

namespace fp8c {

/// Converts as ONNX's Cast: floats to integers by truncation, anything but 0 to
/// true, integers to narrower ones by dropping bits.
Constant castConstant(const Constant &constant, mlir::Type element);

mlir::LogicalResult foldAdd(Node &node);
mlir::LogicalResult foldSub(Node &node);
mlir::LogicalResult foldMul(Node &node);
mlir::LogicalResult foldDiv(Node &node);
mlir::LogicalResult foldPow(Node &node);
mlir::LogicalResult foldNeg(Node &node);
mlir::LogicalResult foldAbs(Node &node);
mlir::LogicalResult foldExp(Node &node);
mlir::LogicalResult foldLog(Node &node);
mlir::LogicalResult foldSqrt(Node &node);
mlir::LogicalResult foldReciprocal(Node &node);

} // namespace fp8c

#endif // FP8C_IMPORT_ONNX_CONSTANTMATH_H
