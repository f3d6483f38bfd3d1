//===- GPU.h - What GPUs reach ----------------------------------*- C++ -*-===//

#ifndef TARGET_COMMON_GPU_H
#define TARGET_COMMON_GPU_H

#include "Exec/IR/Cost.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

namespace fp8c::target {

/// Rates that a GPU reaches, not those of its data sheet.
struct GPU {
  llvm::StringRef name;
  /// Where the numbers come from.
  llvm::StringRef source;
  /// FLOP/s.
  double vector, f32, bf16;
  /// FP8 products by the contracted size, ascending: between them the rate is
  /// linear, outside constant.
  struct FP8Rate {
    int64_t k;
    double fast, slow;
  };
  FP8Rate fp8[3];
  /// Bytes/s.
  double bandwidth;

  double getRate(const exec::Cost &cost) const;
  /// The least time of an op, in seconds.
  double getBound(const exec::Cost &cost) const;
};

llvm::ArrayRef<GPU> getGPUs();

} // namespace fp8c::target

#endif // TARGET_COMMON_GPU_H
