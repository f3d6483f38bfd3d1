//===- FusionGroup.h - Ops that become one kernel ---------------*- C++ -*-===//
//
// What train-form-fusions knows of a group of ops while it grows, kept up to
// date so that asking costs what the smaller of two groups costs: a chain of
// ops is fused in time linear in its length.
//
//===----------------------------------------------------------------------===//

#ifndef TRAIN_TRANSFORMS_FUSIONGROUP_H
#define TRAIN_TRANSFORMS_FUSIONGROUP_H

#include "Train/IR/Train.h"
#include "llvm/ADT/DenseSet.h"

namespace fp8c::train {

/// The value in memory: barriers keep apart what is computed from it.
mlir::Value behindBarriers(mlir::Value value);

/// Does the op reduce something, over rows or columns?
bool reduces(mlir::Operation *op);

/// Bytes that one kernel of these ops moves: what it reads, each tensor once,
/// and what others read of it.
int64_t getBytes(llvm::ArrayRef<mlir::Operation *> ops);

/// Ops that become one kernel.
struct FusionGroup {
  /// A group of one op, at `order` among the others.
  FusionGroup(mlir::Operation *op, Skeleton skeleton,
              llvm::ArrayRef<int64_t> shape, unsigned order);

  Skeleton skeleton;
  llvm::SmallVector<int64_t> shape; ///< what the kernel runs over
  llvm::SmallVector<mlir::Operation *> ops;
  /// Of which the kernel makes partial sums.
  llvm::SmallVector<mlir::Operation *> columnSums;
  /// When its kernel is formed, and which group it has become a part of.
  unsigned order;
  FusionGroup *mergedInto = nullptr;

  /// Who uses what the group computes so far, besides itself: groups, and ops
  /// that are in none.
  llvm::SmallVector<FusionGroup *> users;
  bool hasOtherUsers = false;

  // What the kernel costs.
  int64_t bytes, instructions, passes;
  int64_t transposes = 0;
  bool reducing;
  /// What it reads, behind barriers, and what it reads through one.
  llvm::DenseSet<mlir::Value> inputs, throughBarriers;
};

/// Which group each op is in.
class FusionGroups {
public:
  /// f32 instructions that cost as much time as a byte.
  explicit FusionGroups(int64_t instructionsPerByte)
      : instructionsPerByte(instructionsPerByte) {}
  FusionGroup *add(mlir::Operation *op, Skeleton skeleton,
                   llvm::ArrayRef<int64_t> shape);
  /// Null if the op is in none.
  FusionGroup *lookup(mlir::Operation *op) const;
  void erase(mlir::Operation *op) { groupOf.erase(op); }
  /// Makes two groups one, which is formed when `into` would have been.
  void merge(FusionGroup *into, FusionGroup *from);
  /// Notes, once it is in its group, that `op` uses what others compute.
  void noteUses(mlir::Operation *op);
  /// Does nobody but `other` wait for what `group` computes?
  bool isAwaitedBy(FusionGroup &group, const FusionGroup &other) const;
  /// Does one kernel take no more time than two?
  bool isWorthIt(const FusionGroup &a, const FusionGroup &b) const;
  /// All that are part of no other, in order, with their ops in that of
  /// `position`.
  llvm::SmallVector<FusionGroup *>
  getAll(llvm::function_ref<unsigned(mlir::Operation *)> position);

private:
  int64_t getSavedBytes(const FusionGroup &a, const FusionGroup &b) const;
  int64_t getTime(int64_t bytes, int64_t instructions, int64_t passes,
                  int64_t elements) const;
  static FusionGroup *find(FusionGroup *group);

  int64_t instructionsPerByte;
  std::vector<std::unique_ptr<FusionGroup>> groups;
  llvm::DenseMap<mlir::Operation *, FusionGroup *> groupOf;
};

/// Does `other` read all the whole tensors that `group` reads?
bool readsAllOf(const FusionGroup &group, const FusionGroup &other);

} // namespace fp8c::train

#endif // TRAIN_TRANSFORMS_FUSIONGROUP_H
