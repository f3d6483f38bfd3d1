//===- Initializers.h - Parameters and constants of a model -----*- C++ -*-===//
//
// The initializers of a graph are either trained, then they become
// `train.variable`s that the functions share, or constants:
//
// - integers and booleans are constants;
// - so are floats from which rotary caches, cosines or sines are computed;
// - so is a single float, unless its name ends in "weight" or "bias";
// - every other float initializer is a parameter.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_IMPORT_ONNX_INITIALIZERS_H
#define FP8C_IMPORT_ONNX_INITIALIZERS_H

#include "Import/ONNX/Constant.h"
#include "Import/ONNX/ImportErrors.h"
#include "Import/ONNX/ONNXFile.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

namespace fp8c {

/// A parameter, or where `constant` is there, a constant. `type` is null where
/// the initializer cannot be used, which has been reported then.
struct Initializer {
  mlir::RankedTensorType type;
  ConstantPtr constant;
};

class Initializers {
public:
  /// Variables are put at the end of `module`.
  Initializers(const ONNXFile &file, mlir::ModuleOp module,
               ImportErrors &errors);

  /// The initializer or declared parameter; null if there is none of this name.
  /// Whatever is asked for first becomes the next variable.
  const Initializer *lookup(llvm::StringRef name);

  /// Declares a parameter that is no initializer, such as one that a node
  /// draws; again if it is declared already.
  const Initializer *declare(llvm::StringRef name, mlir::RankedTensorType type,
                             mlir::Attribute init);

  /// Whether a float of this name and size is trained.
  bool isParameter(llvm::StringRef name, int64_t elements) const;

private:
  void findUntrained();
  Initializer importTensor(const onnx::TensorProto &tensor);
  Initializer importParameter(const onnx::TensorProto &tensor,
                              mlir::RankedTensorType type);

  const ONNXFile &file;
  ImportErrors &errors;
  mlir::OpBuilder builder;
  llvm::StringMap<const onnx::TensorProto *> tensors;
  llvm::StringMap<Initializer> imported;
  llvm::StringSet<> untrained; ///< Where rotary caches and the like come from.
};

} // namespace fp8c

#endif // FP8C_IMPORT_ONNX_INITIALIZERS_H
