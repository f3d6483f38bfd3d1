//===- GraphInputs.h - The inputs of a graph and their sizes ----*- C++ -*-===//

#ifndef FP8C_IMPORT_ONNX_GRAPHINPUTS_H
#define FP8C_IMPORT_ONNX_GRAPHINPUTS_H

#include "Import/ONNX/Constant.h"
#include "Import/ONNX/InputRoles.h"

namespace fp8c {

struct GraphInput {
  std::string name;
  mlir::RankedTensorType type;
  InputRole role;
  ConstantPtr constant; ///< Where the role says what its elements are.

  /// Whether it depends on the tokens, which ones are padding.
  bool isPaddingMask = false;

  bool isArgument() const { return !constant && !isPaddingMask; }
};

/// The inputs that are no initializers, with the sizes of `options` where the
/// file leaves them open.
class GraphInputs {
public:
  /// Adds errors where a size is missing, contradicts the file or a type cannot
  /// be an input.
  GraphInputs(const onnx::GraphProto &graph,
              const llvm::StringMap<InputRole> &roles,
              const ImportONNXOptions &options, mlir::MLIRContext *context,
              ImportErrors &errors);

  llvm::ArrayRef<GraphInput> inputs() const { return list; }

  int64_t pad() const { return options.pad.value_or(-1); }

  /// Whether there is one input, of token ids, with its batch left open, beside
  /// those that are known.
  bool isOpenTokens() const;

  /// The size that a dimension called `symbol` has, if it is known.
  std::optional<int64_t> sizeOf(llvm::StringRef symbol) const;

private:
  using Shape = onnx::TensorShapeProto;
  using Tensor = onnx::TypeProto_Tensor;

  void bindTokens(const std::string &name, const Shape &shape);
  void bindTokenDim(const std::string &name, const Shape::Dimension &dim,
                    bool isBatch);
  void addInput(const onnx::ValueInfoProto &input, InputRole role);
  void checkDims(const onnx::GraphProto &graph);
  std::optional<int64_t> size(const Tensor &type, int i, InputRole role) const;
  ConstantPtr makeConstant(mlir::RankedTensorType type, InputRole role) const;

  const ImportONNXOptions &options;
  mlir::MLIRContext *context;
  ImportErrors &errors;
  llvm::StringMap<int64_t> symbols;
  std::vector<GraphInput> list;
  bool hasOpenBatch = false;
};

} // namespace fp8c

#endif // FP8C_IMPORT_ONNX_GRAPHINPUTS_H
