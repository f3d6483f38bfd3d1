//===- Hyper.h - Order of the run-time hyperparameters ----------*- C++ -*-===//

#ifndef TARGET_COMMON_HYPER_H
#define TARGET_COMMON_HYPER_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

namespace fp8c::target {

/// The symbols that `train.hyper` knows, in the order of `Fp8cCall::hyper`.
inline llvm::ArrayRef<llvm::StringLiteral> getHyperNames() {
  static constexpr llvm::StringLiteral names[] = {
      "lr",        "beta1", "beta2",      "eps", "weight_decay",
      "clip_norm", "step",  "grad_scale", "seed"};
  return names;
}

} // namespace fp8c::target

#endif // TARGET_COMMON_HYPER_H
