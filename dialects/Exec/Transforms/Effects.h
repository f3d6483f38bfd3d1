//===- Effects.h - What ops do to buffers -----------------------*- C++ -*-===//

#ifndef EXEC_TRANSFORMS_EFFECTS_H
#define EXEC_TRANSFORMS_EFFECTS_H

#include "Exec/IR/Exec.h"

namespace fp8c::exec {

/// Ranges of bytes of the buffers that others are views of.
class Ranges {
public:
  void add(mlir::Value buffer) {
    int64_t first = 0;
    const int64_t bytes =
        getByteSize(mlir::cast<mlir::MemRefType>(buffer.getType()));
    while (auto view = buffer.getDefiningOp<ViewOp>()) {
      first += view.getOffset() * getByteSize(mlir::MemRefType::get(
                                      {1}, view.getType().getElementType()));
      buffer = view.getSource();
    }
    ranges[buffer].push_back({first, first + bytes});
  }
  void add(const Ranges &others) {
    for (auto &[root, more] : others.ranges)
      llvm::append_range(ranges[root], more);
  }

  bool contains(mlir::Value root) const { return ranges.contains(root); }
  auto getRoots() const { return llvm::make_first_range(ranges); }

  bool overlaps(const Ranges &other) const {
    if (ranges.size() > other.ranges.size())
      return other.overlaps(*this);
    return llvm::any_of(ranges, [&](const auto &entry) {
      auto theirs = other.ranges.find(entry.first);
      return theirs != other.ranges.end() &&
             llvm::any_of(entry.second, [&](Range mine) {
               return llvm::any_of(theirs->second, [&](Range its) {
                 return mine.first < its.end && its.first < mine.end;
               });
             });
    });
  }

private:
  struct Range {
    int64_t first, end;
  };
  llvm::DenseMap<mlir::Value, llvm::SmallVector<Range, 2>> ranges;
};

/// What ops read and write.
struct Effects {
  Ranges reads, writes;

  Effects() = default;
  explicit Effects(mlir::Operation *op) {
    llvm::SmallVector<mlir::Value> read, written;
    getEffects(op, read, written);
    for (mlir::Value buffer : read)
      reads.add(buffer);
    for (mlir::Value buffer : written)
      writes.add(buffer);
  }

  /// Would another order give something else?
  bool conflictsWith(const Effects &other) const {
    return writes.overlaps(other.reads) || writes.overlaps(other.writes) ||
           reads.overlaps(other.writes);
  }
  void add(const Effects &other) {
    reads.add(other.reads);
    writes.add(other.writes);
  }
};

} // namespace fp8c::exec

#endif // EXEC_TRANSFORMS_EFFECTS_H
