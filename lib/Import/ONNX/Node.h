//===- Node.h - One ONNX node while it is imported --------------*- C++ -*-===//
//
// What an operator's handler works with. Inputs have been checked against the
// operator's signature before. An attribute or output that the handler does
// not ask for or give, though the node has it and it matters, makes the node
// unsupported: nothing is ignored by accident.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_IMPORT_ONNX_NODE_H
#define FP8C_IMPORT_ONNX_NODE_H

#include "Import/ONNX/ImportErrors.h"
#include "Import/ONNX/ValueTable.h"
#include <onnx/onnx_pb.h>

namespace fp8c {

class NodeImporter;
struct Operator;

class Node {
public:
  Node(const onnx::NodeProto &proto, int64_t opset, int64_t version,
       NodeImporter &importer, ImportErrors &errors);

  const onnx::NodeProto &proto;
  const int64_t opset;   ///< Of the domain of ONNX's own operators.
  const int64_t version; ///< Of the operator's domain.
  Initializers &initializers;
  mlir::OpBuilder &builder;
  const mlir::Location loc;

  //===--- Inputs ---------------------------------------------------------===//

  unsigned numInputs() const { return inputs.size(); }
  bool has(unsigned i) const { return i < inputs.size() && inputs[i]; }
  mlir::RankedTensorType type(unsigned i) const { return inputs[i]->type; }
  llvm::ArrayRef<int64_t> shape(unsigned i) const {
    return inputs[i]->type.getShape();
  }
  int64_t rank(unsigned i) const { return inputs[i]->type.getRank(); }

  /// The input's elements; null where they are not known.
  const Constant *constant(unsigned i) const {
    return has(i) ? inputs[i]->constant.get() : nullptr;
  }
  bool isConstant() const;
  mlir::Value value(unsigned i);

  const Datum &datum(unsigned i) const { return *inputs[i]; }

  /// The tensors of a sequence.
  llvm::ArrayRef<Datum> sequence(unsigned i) const {
    return *inputs[i]->sequence;
  }

  /// The elements of an input of integers that are known.
  llvm::ArrayRef<int64_t> integers(unsigned i) const {
    return inputs[i]->constant->integers();
  }

  //===--- Attributes -----------------------------------------------------===//

  std::optional<int64_t> integer(llvm::StringRef name);
  int64_t integer(llvm::StringRef name, int64_t byDefault) {
    return integer(name).value_or(byDefault);
  }
  std::optional<float> number(llvm::StringRef name);
  float number(llvm::StringRef name, float byDefault) {
    return number(name).value_or(byDefault);
  }
  std::optional<std::string> string(llvm::StringRef name);
  std::optional<llvm::SmallVector<int64_t>> integerList(llvm::StringRef name);
  std::optional<std::vector<float>> numberList(llvm::StringRef name);
  const onnx::TensorProto *tensor(llvm::StringRef name);
  const onnx::GraphProto *graph(llvm::StringRef name);

  /// Integers that are an attribute in versions before `inputSince`, and input
  /// i from then on; none where they are not given.
  std::optional<llvm::SmallVector<int64_t>>
  integerList(llvm::StringRef name, unsigned i, int64_t inputSince);

  /// Attributes that change nothing here.
  void ignore(std::initializer_list<llvm::StringRef> names);

  //===--- Building -------------------------------------------------------===//

  template <typename Op, typename... Args> Op create(Args &&...args) {
    return Op::create(builder, loc, std::forward<Args>(args)...);
  }
  mlir::Value scalar(float number);

  /// A constant of the function, known there as `name`, or as the node is.
  mlir::Value materialize(const Constant &constant, llvm::StringRef name = {});

  /// Nothing is created where nothing would change.
  mlir::Value reshape(mlir::Value value, llvm::ArrayRef<int64_t> shape);
  mlir::Value transpose(mlir::Value value, llvm::ArrayRef<int64_t> permutation);
  mlir::Value broadcast(mlir::Value value, llvm::ArrayRef<int64_t> shape);

  //===--- Results --------------------------------------------------------===//

  unsigned numOutputs() const { return results.size(); }
  bool wants(unsigned i) const {
    return i < results.size() && !proto.output(i).empty();
  }
  mlir::LogicalResult yield(mlir::Value value, unsigned i = 0);
  mlir::LogicalResult yield(Constant constant, unsigned i = 0);

  /// The first output is the parameter that has been declared by its name.
  mlir::LogicalResult yieldDeclared();

  /// The value that has been given for an output.
  mlir::Value result(unsigned i) const { return results[i].value; }
  const ConstantPtr &resultConstant(unsigned i) const {
    return results[i].constant;
  }

  /// Output i is what input j is.
  mlir::LogicalResult forward(unsigned j, unsigned i = 0);

  mlir::LogicalResult yieldSequence(std::vector<Datum> tensors);
  mlir::LogicalResult yieldDatum(const Datum &datum, unsigned i = 0);

  /// The outputs are those of one of the node's graphs.
  mlir::LogicalResult yieldGraph(const onnx::GraphProto &graph);

  //===--- Errors ---------------------------------------------------------===//

  /// The node breaks a rule of ONNX; `message` follows its name.
  mlir::LogicalResult invalid(const llvm::Twine &message);

  /// The node is right, but cannot be expressed; `reason` stands alone.
  mlir::LogicalResult unsupported(const llvm::Twine &reason);

  /// A dimension, counted from the end if negative; none, with an error, if
  /// there is no such dimension.
  std::optional<int64_t> axis(int64_t value, int64_t rank);

private:
  friend class NodeImporter;

  const onnx::AttributeProto *find(llvm::StringRef name, int type);
  mlir::LogicalResult checkInputs(const Operator &op, bool folds);
  mlir::LogicalResult checkInput(unsigned i, llvm::StringRef name,
                                 llvm::StringRef kind);
  mlir::LogicalResult checkAttributes();
  mlir::LogicalResult checkResults();

  NodeImporter &importer;
  ValueTable &values;
  ImportErrors &errors;
  llvm::SmallVector<const Datum *> inputs;
  llvm::SmallVector<Datum> results;
  llvm::SmallVector<llvm::StringRef> known; ///< Attributes asked for.
  bool hasBadAttribute = false;
};

llvm::ArrayRef<int64_t> shapeOf(mlir::Value value);

/// "[2, 3]", for messages.
std::string toString(llvm::ArrayRef<int64_t> shape);

} // namespace fp8c

#endif // FP8C_IMPORT_ONNX_NODE_H
