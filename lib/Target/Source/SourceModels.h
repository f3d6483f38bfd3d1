//===- SourceModels.h - How ops are printed as source -----------*- C++ -*-===//

#ifndef TARGET_SOURCE_SOURCEMODELS_H
#define TARGET_SOURCE_SOURCEMODELS_H

#include "Exec/IR/Exec.h"
#include "Target/Source/SourceWriter.h"

#include "Target/Source/SourceOpInterface.h.inc"

namespace fp8c::target {

/// Prints ops of type `Op` with `print(Op, SourceWriter &)`, a function of this
/// namespace.
template <typename Op>
struct SourceModel : SourceOpInterface::ExternalModel<SourceModel<Op>, Op> {
  llvm::LogicalResult printSource(mlir::Operation *op,
                                  SourceWriter &writer) const {
    return print(llvm::cast<Op>(op), writer);
  }
};

template <typename... Ops> void attachSource(mlir::MLIRContext &context) {
  (Ops::template attachInterface<SourceModel<Ops>>(context), ...);
}

/// Of buffers: they are declared or become expressions.
void attachMemorySource(mlir::MLIRContext &context);
void attachLaunchSource(mlir::MLIRContext &context);
/// Products, attention, tables, moves.
void attachTensorSource(mlir::MLIRContext &context);
/// Losses and gradients.
void attachTrainingSource(mlir::MLIRContext &context);
/// What processes do together.
void attachCollectiveSource(mlir::MLIRContext &context);
void attachScaleSource(mlir::MLIRContext &context);

} // namespace fp8c::target

#endif // TARGET_SOURCE_SOURCEMODELS_H
