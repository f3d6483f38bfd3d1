//===- Effects.h - What ops do to buffers -----------------------*- C++ -*-===//

#ifndef EXEC_TRANSFORMS_EFFECTS_H
#define EXEC_TRANSFORMS_EFFECTS_H

#include "Exec/IR/Exec.h"

#include <tuple>

namespace fp8c::exec {

/// Buffers, by what they are views of, that ops read and write.
struct Effects {
  mlir::DenseSet<mlir::Value> reads, writes;

  Effects() = default;
  explicit Effects(mlir::Operation *op) {
    llvm::SmallVector<mlir::Value> read, written;
    getEffects(op, read, written);
    for (mlir::Value buffer : read)
      reads.insert(getRoot(buffer));
    for (mlir::Value buffer : written)
      writes.insert(getRoot(buffer));
  }

  /// Would another order give something else?
  bool conflictsWith(const Effects &other) const {
    return meet(writes, other.reads) || meet(writes, other.writes) ||
           meet(reads, other.writes);
  }
  void add(const Effects &other) {
    reads.insert(other.reads.begin(), other.reads.end());
    writes.insert(other.writes.begin(), other.writes.end());
  }

private:
  static bool meet(const mlir::DenseSet<mlir::Value> &a,
                   const mlir::DenseSet<mlir::Value> &b) {
    const auto &[few, many] =
        a.size() < b.size() ? std::tie(a, b) : std::tie(b, a);
    return llvm::any_of(few, [&many = many](mlir::Value value) {
      return many.contains(value);
    });
  }
};

} // namespace fp8c::exec

#endif // EXEC_TRANSFORMS_EFFECTS_H
