//===- ParameterRules.h - Parameter or constant -----------------*- C++ -*-===//
//
// ONNX does not say which of its initializers are trained. Of the rules below
// the first that says something decides:
//
//   a. what the user asks for: patterns of names, the keys of a file;
//   b. integers and booleans, scales and zero points of quantised tensors,
//      running statistics of a BatchNormalization are constants; so is
//      whatever cosines and sines are computed from;
//   c. the signature that PyTorch's exporter with `dynamo=True` leaves;
//   d. what that exporter folded from a single parameter is the parameter,
//      from other values alone a constant;
//   e. what it is used for, and what its elements look like;
//   f. nothing: training asks the user.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_IMPORT_ONNX_PARAMETERS_PARAMETERRULES_H
#define FP8C_IMPORT_ONNX_PARAMETERS_PARAMETERRULES_H

#include "Import/ONNX/ImportONNX.h"
#include "Import/ONNX/ONNXFile.h"
#include "Import/ONNX/Parameters/GraphUses.h"
#include "Import/ONNX/Parameters/Metadata.h"

namespace fp8c {

/// What a float tensor of the graph is, and why.
struct Decision {
  TensorKind kind = TensorKind::Undecided;
  std::string rule;      ///< In words, as the list of `fp8c compile` prints it.
  std::string parameter; ///< What the model calls it, where that is known.
  bool isTransposed = false; ///< The file holds the model's tensor so.
  bool isFolded = false; ///< It may hold rows of the model's tensor repeatedly.
};

class ParameterRules {
public:
  ParameterRules(const ONNXFile &file, const onnx::GraphProto &graph,
                 const ImportONNXOptions &options, mlir::MLIRContext *context);

  /// Decides about the float tensor that `name` is in the graph, whose data is
  /// `tensor`; null for one that a node makes.
  Decision decide(llvm::StringRef name, llvm::ArrayRef<int64_t> shape,
                  const onnx::TensorProto *tensor) const;

  const GraphUses &uses() const { return graphUses; }

private:
  struct Candidate {
    llvm::StringRef name;
    llvm::ArrayRef<int64_t> shape;
    const onnx::TensorProto *tensor;
  };
  using Rule = Decision (ParameterRules::*)(const Candidate &) const;

  Decision byNature(const Candidate &candidate) const;
  Decision bySignature(const Candidate &candidate) const;
  Decision byOrigin(const Candidate &candidate) const;
  Decision byUse(const Candidate &candidate) const;
  Decision byContent(const Candidate &candidate) const;

  Decision byTableUse(const Use &use, const Candidate &candidate) const;
  Decision byVectorUse(const Use &use) const;
  const onnx::ValueInfoProto *infoOf(const Candidate &candidate) const;
  std::string modelName(const Candidate &candidate) const;
  void applyRequest(Decision &decision, llvm::StringRef name) const;
  bool isParameterOf(llvm::StringRef source, llvm::StringRef name) const;
  bool isNormalised(llvm::StringRef value) const;
  bool comesFrom(llvm::StringRef value, bool (*wanted)(const onnx::NodeProto &),
                 int depth) const;
  void findWaves();
  void findPrefixes(const onnx::GraphProto &graph);

  const ONNXFile &file;
  const ImportONNXOptions &options;
  mlir::MLIRContext *context;
  GraphUses graphUses;
  llvm::StringMap<const onnx::ValueInfoProto *> infos;
  /// What stands before a path of modules in the names of parameters, by the
  /// path's first module.
  llvm::StringMap<std::string> prefixes;
  llvm::StringSet<> waves; ///< What cosines and sines are computed from.
  ExportSignature signature;
  bool hasKinds = false; ///< Some tensors say what they are.
};

} // namespace fp8c

#endif // FP8C_IMPORT_ONNX_PARAMETERS_PARAMETERRULES_H
