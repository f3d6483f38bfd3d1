//===- OpNames.h - What recipes and reports call an op ---------*- C++ -*-===//
//
// Any op, of whatever dialect, may carry two discardable attributes that
// recipes and reports match on: `fp8.name`, the path of the node of the model
// that it stems from ("h.0/mlp/fc"), and `fp8.phase`, what it is for. On an
// argument or a result of a function `fp8.name` is its name outside the
// compiler.
//
//===----------------------------------------------------------------------===//

#ifndef FP8_IR_OPNAMES_H
#define FP8_IR_OPNAMES_H

#include "FP8/IR/FP8.h"

namespace fp8c::fp8 {

constexpr llvm::StringLiteral kNameAttr = "fp8.name", kPhaseAttr = "fp8.phase";

/// Empty if the op has none.
llvm::StringRef getName(mlir::Operation *op);
/// Nothing if the op does not say, as those of another compiler.
std::optional<Phase> getPhase(mlir::Operation *op);
void setName(mlir::Operation *op, llvm::StringRef name);
void setPhase(mlir::Operation *op, Phase phase);
/// Gives `to` the name, with `suffix` after it, and the phase that `from` has.
void copyNameAndPhase(mlir::Operation *from, mlir::Operation *to,
                      llvm::StringRef suffix = "");
/// Creates an op that serves `origin`, with its location, name and phase.
template <typename Op, typename... Args>
Op createFor(mlir::OpBuilder &builder, mlir::Operation *origin,
             Args &&...args) {
  auto op = Op::create(builder, origin->getLoc(), std::forward<Args>(args)...);
  copyNameAndPhase(origin, op);
  return op;
}
/// Does the op compute a gradient, of values or of weights?
bool isBackward(mlir::Operation *op);

/// The number in the first component of a path that ends in ".<number>", as in
/// "h.3/mlp/fc"; -1 if there is none.
int64_t getLayer(llvm::StringRef name);

} // namespace fp8c::fp8

#endif // FP8_IR_OPNAMES_H
