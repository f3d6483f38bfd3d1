//===- Operators.h - The operators that can be imported ---------*- C++ -*-===//
//
// Each family of operators has a file with a table of them.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_IMPORT_ONNX_OPERATORS_H
#define FP8C_IMPORT_ONNX_OPERATORS_H

#include "Import/ONNX/Node.h"

namespace fp8c {

using NodeHandler = mlir::LogicalResult (*)(Node &);

struct Operator {
  llvm::StringLiteral name;

  /// The first opset in whose form the handler understands it.
  int since;

  /// Inputs as "name:kind", `?` after optional ones, `*` after one that stands
  /// for any number from one on. Kinds: `float` and `ids`, values of f32 and
  /// i64; `ints`, integers known while importing; `any`.
  llvm::StringLiteral inputs;

  /// Builds the node's results. Null for an operator that only exists on known
  /// elements.
  NodeHandler import;

  /// Computes the results where the elements of all inputs are known. Null
  /// where `import` does it or there is nothing to gain.
  NodeHandler fold = nullptr;
};

/// Every operator, by name.
std::vector<const Operator *> allOperators();

/// Null where the operator is not known.
const Operator *findOperator(llvm::StringRef name);

llvm::ArrayRef<Operator> attentionOperators();
llvm::ArrayRef<Operator> constantOperators();
llvm::ArrayRef<Operator> contractionOperators();
llvm::ArrayRef<Operator> elementwiseOperators();
llvm::ArrayRef<Operator> indexingOperators();
llvm::ArrayRef<Operator> lossOperators();
llvm::ArrayRef<Operator> normOperators();
llvm::ArrayRef<Operator> reductionOperators();
llvm::ArrayRef<Operator> shapeOperators();
llvm::ArrayRef<Operator> sourceOperators();

} // namespace fp8c

#endif // FP8C_IMPORT_ONNX_OPERATORS_H
