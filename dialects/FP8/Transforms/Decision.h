//===- Decision.h - What a recipe decides about an op ----------*- C++ -*-===//

#ifndef FP8_TRANSFORMS_DECISION_H
#define FP8_TRANSFORMS_DECISION_H

#include "FP8/IR/Precision.h"
#include "mlir/IR/Location.h"
#include <string>

namespace fp8c::fp8 {

/// "fp8-delayed.yaml:33"
std::string describePlace(mlir::FileLineColLoc loc);

/// "f8E4M3FN"
std::string nameOf(mlir::FloatType type);

/// An `fp8.precision` in the making.
class Decision {
public:
  /// Reasons stand in the order in which they are given, each once.
  void because(const llvm::Twine &reason);
  /// In place of another that the op may have.
  void attachTo(mlir::Operation *op) const;

  llvm::SmallVector<mlir::Type> result;
  OperandAttr lhs, rhs;
  bool fastAccum = false;
  StorageAttr storage;

private:
  std::string why;
};

} // namespace fp8c::fp8

#endif // FP8_TRANSFORMS_DECISION_H
