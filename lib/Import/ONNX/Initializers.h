//===- Initializers.h - Parameters and constants of a model -----*- C++ -*-===//
//
// The float tensors of a graph are either parameters, then they become
// `train.variable`s that the functions share, or constants: Parameters/ has the
// rules. Integers and booleans are constants.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_IMPORT_ONNX_INITIALIZERS_H
#define FP8C_IMPORT_ONNX_INITIALIZERS_H

#include "Import/ONNX/Constant.h"
#include "Import/ONNX/ImportErrors.h"
#include "Import/ONNX/ONNXFile.h"
#include "Import/ONNX/Parameters/ParameterRules.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringMap.h"

namespace fp8c {

/// A parameter, or where `constant` is there, a constant. `type` is null where
/// the initializer cannot be used, which has been reported then.
struct Initializer {
  mlir::RankedTensorType type;
  ConstantPtr constant;

  /// Of a parameter: its variable, and whether this is that transposed or,
  /// where the types differ, reshaped.
  mlir::Operation *variable = nullptr;
  mlir::RankedTensorType variableType;
  bool isTransposed = false;

  /// Where it is rows of the variable: which ones, and along which dimension
  /// the elements of a row stand.
  ConstantPtr rows;
  int64_t rowAxis = 0;
};

class Initializers {
public:
  /// Tells apart what `graph`, the file's, has merged: gives names of nodes'
  /// inputs anew. Variables are put at the end of `module`.
  Initializers(const ONNXFile &file, onnx::GraphProto &graph,
               const ImportONNXOptions &options, mlir::ModuleOp module,
               ImportErrors &errors);

  /// The initializer or declared parameter; null if there is none of this name.
  /// Whatever is asked for first becomes the next variable.
  const Initializer *lookup(llvm::StringRef name);

  /// Declares a parameter that is no initializer, such as one that a node
  /// draws; again if it is declared already.
  const Initializer *declare(llvm::StringRef name, mlir::RankedTensorType type,
                             mlir::Attribute init);

  /// Whether floats that a node makes without looking at values, and calls so,
  /// are a parameter.
  bool isParameter(llvm::StringRef name, llvm::ArrayRef<int64_t> shape) const;

  /// Of the graph, once its merged tensors are told apart.
  const GraphUses &uses() const { return rules.uses(); }

  /// Reports what could not be decided: an error where that is asked for.
  void checkUndecided();
  void report(ImportReport &report) const;

private:
  /// A tensor of the file under a name of the graph.
  struct Tensor {
    const onnx::TensorProto *proto = nullptr;
    Decision decision;
    std::string tiedTo; ///< Another name of the graph.
    bool isTransposed = false;
  };

  void decide(const onnx::GraphProto &graph);
  ConstantPtr elementsOf(const onnx::TensorProto &tensor,
                         std::string &error) const;
  void tie();
  Initializer importTensor(llvm::StringRef name, const Tensor &tensor);
  Initializer importTied(const Tensor &tensor);
  std::optional<Initializer> importRows(llvm::StringRef name,
                                        const Tensor &tensor);
  Initializer importParameter(llvm::StringRef name, const Tensor &tensor,
                              mlir::RankedTensorType type);
  const Initializer *declare(llvm::StringRef name, mlir::RankedTensorType type,
                             mlir::Attribute init, const Decision &decision);
  std::string nameVariable(llvm::StringRef wanted);

  const ONNXFile &file;
  const ImportONNXOptions &options;
  ImportErrors &errors;
  mlir::OpBuilder builder;
  llvm::StringMap<const onnx::TensorProto *> aliases;
  llvm::MapVector<llvm::StringRef, Tensor> tensors; ///< as in the file
  ParameterRules rules;
  llvm::StringMap<Initializer> imported;
  llvm::StringSet<> variables; ///< Names that are taken.
};

} // namespace fp8c

#endif // FP8C_IMPORT_ONNX_INITIALIZERS_H
