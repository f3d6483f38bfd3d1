//===- Shapes.h - Arithmetic on shapes --------------------------*- C++ -*-===//

#ifndef FP8C_IMPORT_ONNX_SHAPES_H
#define FP8C_IMPORT_ONNX_SHAPES_H

#include "Import/ONNX/Constant.h"
#include "mlir/Support/LLVM.h"
#include "llvm/ADT/SmallVector.h"
#include <optional>

namespace fp8c {

class Node;

using Shape = llvm::SmallVector<int64_t>;

/// The shape that both broadcast to by NumPy's rules, if there is one.
std::optional<Shape> broadcastShapes(llvm::ArrayRef<int64_t> a,
                                     llvm::ArrayRef<int64_t> b);

/// Product of the dimensions; the shape must be of a tensor that exists.
int64_t product(llvm::ArrayRef<int64_t> shape);

/// [0, 1, …, rank - 1]
Shape identityPermutation(int64_t rank);

/// The permutation that moves dimension `from` to place `to`, keeping the order
/// of the others.
Shape movingPermutation(int64_t rank, int64_t from, int64_t to);

/// The dimensions that `axes` names, ascending and each once; none, with an
/// error of the node, if it names others.
std::optional<Shape> sortedAxes(Node &node, llvm::ArrayRef<int64_t> axes,
                                int64_t rank);

/// An error of the node where inputs do not broadcast, or differ in their type.
llvm::LogicalResult checkBroadcast(Node &node, llvm::ArrayRef<unsigned> inputs);

/// An error of the node where a result of this shape is too large for a tensor,
/// or has more elements than `limit` although all inputs are known.
llvm::LogicalResult checkSize(Node &node, llvm::ArrayRef<int64_t> shape,
                              int64_t limit = Constant::maxElements);

} // namespace fp8c

#endif // FP8C_IMPORT_ONNX_SHAPES_H
