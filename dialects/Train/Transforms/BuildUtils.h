//===- BuildUtils.h - What passes that build ops share ------------*- C++
//-*-===//

#ifndef TRAIN_TRANSFORMS_BUILDUTILS_H
#define TRAIN_TRANSFORMS_BUILDUTILS_H

#include "Train/IR/Train.h"

namespace fp8c::train {

/// Gives every op that a builder inserts the present name and phase. What is
/// null is left out.
struct Annotator : mlir::OpBuilder::Listener {
  mlir::Attribute name, phase;

  void notifyOperationInserted(mlir::Operation *op,
                               mlir::OpBuilder::InsertPoint) override {
    // Constants are shared between ops of different names.
    if (op->hasTrait<mlir::OpTrait::ConstantLike>() ||
        op->hasTrait<mlir::OpTrait::IsTerminator>())
      return;
    if (name)
      op->setDiscardableAttr(kNameAttr, name);
    if (phase)
      op->setDiscardableAttr(kPhaseAttr, phase);
  }
};

/// Erases ops that nothing uses, users before what they use.
inline void eraseDeadOps(mlir::Block &block) {
  for (mlir::Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
    if (mlir::isOpTriviallyDead(&op))
      op.erase();
}

} // namespace fp8c::train

#endif // TRAIN_TRANSFORMS_BUILDUTILS_H
