//===- Constant.h - Tensors whose elements are known ------------*- C++ -*-===//
//
// Shapes, axes, positions and other small tensors are computed while importing,
// so that the arithmetic on shapes that exporters write folds away.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_IMPORT_ONNX_CONSTANT_H
#define FP8C_IMPORT_ONNX_CONSTANT_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include <memory>
#include <vector>

namespace fp8c {

/// Number of elements of a tensor of this shape; none if a dimension is
/// negative or there are more than 2^40, which no tensor of a model has.
std::optional<int64_t> countElements(llvm::ArrayRef<int64_t> shape);

/// The distance between neighbours along each dimension, in row-major order.
llvm::SmallVector<int64_t> rowMajorStrides(llvm::ArrayRef<int64_t> shape);

/// A tensor of f32 numbers, of numbers of another float type (FP8), which are
/// held as f32, or of integers or booleans.
class Constant {
public:
  /// Larger ones are not computed with.
  static constexpr int64_t maxElements = int64_t(1) << 24;

  /// The program computes what is larger, up to this: a mask of 1024 sequences
  /// of 4096 tokens.
  static constexpr int64_t maxComputed = int64_t(1) << 34;

  Constant(mlir::RankedTensorType type, std::vector<float> floats);
  Constant(mlir::RankedTensorType type, std::vector<int64_t> integers);

  mlir::RankedTensorType type() const { return tensorType; }
  llvm::ArrayRef<int64_t> shape() const { return tensorType.getShape(); }
  int64_t size() const { return tensorType.getNumElements(); }

  /// Exactly one of them holds the elements.
  bool isFloat() const {
    return llvm::isa<mlir::FloatType>(tensorType.getElementType());
  }
  llvm::ArrayRef<float> floats() const { return floatElements; }
  llvm::ArrayRef<int64_t> integers() const { return integerElements; }

  /// An element of either kind.
  double number(int64_t i) const {
    return isFloat() ? floatElements[i] : double(integerElements[i]);
  }
  bool isSplat() const;

  /// The elements at `indices`, in an order of the given shape.
  Constant take(llvm::ArrayRef<int64_t> shape,
                llvm::ArrayRef<int64_t> indices) const;

  /// A strided view: element [i, j, …] is element offset + i * strides[0] +
  /// j * strides[1] + … of this tensor. Slices, transpositions and broadcasts
  /// are views.
  Constant view(llvm::ArrayRef<int64_t> shape, int64_t offset,
                llvm::ArrayRef<int64_t> strides) const;
  Constant reshape(llvm::ArrayRef<int64_t> shape) const;

  /// `shape` must be one that this tensor's shape broadcasts to.
  Constant broadcast(llvm::ArrayRef<int64_t> shape) const;

  mlir::DenseElementsAttr attribute() const;

private:
  mlir::RankedTensorType tensorType;
  std::vector<float> floatElements;
  std::vector<int64_t> integerElements;
};

using ConstantPtr = std::shared_ptr<const Constant>;

} // namespace fp8c

#endif // FP8C_IMPORT_ONNX_CONSTANT_H
