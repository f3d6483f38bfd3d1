//===- ModelParts.h - Parts of a model known by structure -------*- C++ -*-===//

#ifndef FP8_TRAINING_MODELPARTS_H
#define FP8_TRAINING_MODELPARTS_H

#include "Train/IR/Train.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringSet.h"

namespace fp8c::fp8 {

/// Words of `part:` in a recipe.
constexpr llvm::StringLiteral kLMHead = "lm_head";

/// Finds the LM head, whatever it is called: the contraction whose result,
/// moved or changed element by element, train.cross_entropy takes as logits.
class ModelParts {
public:
  explicit ModelParts(mlir::ModuleOp module);

  /// The part that an op of this name belongs to; backward ops have the forward
  /// op's. Empty where there is no word for it.
  llvm::StringRef partOfOp(llvm::StringRef name) const {
    return !name.empty() && heads.contains(name) ? llvm::StringRef(kLMHead)
                                                 : llvm::StringRef();
  }

  /// The same for a parameter, which the head multiplies.
  llvm::StringRef partOfParameter(llvm::StringRef name) const {
    return parameters.contains(name) ? llvm::StringRef(kLMHead)
                                     : llvm::StringRef();
  }

private:
  void addHead(mlir::Operation *contraction);

  llvm::StringSet<> heads, parameters;
};

} // namespace fp8c::fp8

#endif // FP8_TRAINING_MODELPARTS_H
