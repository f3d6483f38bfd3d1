//===- Operators.h - The operators that can be imported ---------*- C++ -*-===//
//
// Each family of operators has a file with a table of them. A row is a form of
// an operator: it holds from its first version on until that of the next row of
// the same operator.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_IMPORT_ONNX_OPERATORS_H
#define FP8C_IMPORT_ONNX_OPERATORS_H

#include "Import/ONNX/Node.h"
#include "Import/ONNX/Opsets.h"

namespace fp8c {

using NodeHandler = mlir::LogicalResult (*)(Node &);

/// The opsets of ONNX whose operators the handlers were written from.
constexpr int64_t oldestOpset = 7, newestOpset = 28;

struct Operator {
  llvm::StringLiteral name;

  /// The first version of the domain in whose form the handler understands it.
  int since;

  /// Inputs as "name:kind", `?` after optional ones, `*` after one that stands
  /// for any number from one on. Kinds: `float`, `ids` and `bool`, values of
  /// f32, i64 and i1; `number`, of f32, i64 or i32; `element`, of any of these;
  /// `ints`, integers known while importing; `any`; `sequence`, of tensors.
  /// What `fold` computes may be of any type.
  llvm::StringLiteral inputs;

  /// Builds the node's results. Null for an operator that only exists on known
  /// elements.
  NodeHandler import;

  /// Computes the results where the elements of all inputs are known. Null
  /// where `import` does it or there is nothing to gain.
  NodeHandler fold = nullptr;

  llvm::StringLiteral domain = onnxDomain;
};

/// Every row, by domain, name and version.
std::vector<const Operator *> allOperators();

/// The row that holds for the version. The operator's first row where the
/// version is older than any, null where the operator is not known.
const Operator *findOperator(llvm::StringRef domain, llvm::StringRef name,
                             int64_t version);

llvm::ArrayRef<Operator> activationOperators();
llvm::ArrayRef<Operator> attentionOperators();
llvm::ArrayRef<Operator> constantOperators();
llvm::ArrayRef<Operator> contractionOperators();
llvm::ArrayRef<Operator> einsumOperators();
llvm::ArrayRef<Operator> elementwiseOperators();
llvm::ArrayRef<Operator> indexingOperators();
llvm::ArrayRef<Operator> joiningOperators();
llvm::ArrayRef<Operator> logicOperators();
llvm::ArrayRef<Operator> lossOperators();
llvm::ArrayRef<Operator> microsoftAttentionOperators();
llvm::ArrayRef<Operator> normOperators();
llvm::ArrayRef<Operator> padOperators();
llvm::ArrayRef<Operator> quantizationOperators();
llvm::ArrayRef<Operator> reductionOperators();
llvm::ArrayRef<Operator> rotaryOperators();
llvm::ArrayRef<Operator> scatterOperators();
llvm::ArrayRef<Operator> shapeOperators();
llvm::ArrayRef<Operator> softmaxOperators();
llvm::ArrayRef<Operator> sourceOperators();

} // namespace fp8c

#endif // FP8C_IMPORT_ONNX_OPERATORS_H
