//===- BuildUtils.h - What passes that build ops share ------------*- C++
//-*-===//

#ifndef TRAIN_TRANSFORMS_BUILDUTILS_H
#define TRAIN_TRANSFORMS_BUILDUTILS_H

#include "Train/IR/Functions.h"

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

/// A copy of `function`, after it and of another kind, that assigns no variable
/// and returns nothing. What only served that is still there: see eraseDeadOps.
inline mlir::func::FuncOp cloneForValues(mlir::func::FuncOp function,
                                         FunctionKind kind) {
  auto clone = mlir::cast<mlir::func::FuncOp>(function->clone());
  setFunctionKind(clone, kind);
  clone.setFunctionType(mlir::FunctionType::get(
      function.getContext(), function.getArgumentTypes(), {}));
  clone.removeResAttrsAttr();
  for (mlir::Operation &op : llvm::make_early_inc_range(clone.front()))
    if (mlir::isa<AssignOp>(op))
      op.erase();
  clone.front().getTerminator()->setOperands({});
  function->getBlock()->getOperations().insertAfter(function->getIterator(),
                                                    clone);
  return clone;
}

} // namespace fp8c::train

#endif // TRAIN_TRANSFORMS_BUILDUTILS_H
