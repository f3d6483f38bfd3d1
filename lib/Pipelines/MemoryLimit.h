//===- MemoryLimit.h - Recompute as little as fits --------------*- C++ -*-===//

#ifndef PIPELINES_MEMORYLIMIT_H
#define PIPELINES_MEMORYLIMIT_H

#include "fp8c/Pipelines.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace fp8c {

/// Imports the model with another batch size; null after an error.
using ImportWithBatch =
    llvm::function_ref<mlir::OwningOpRef<mlir::ModuleOp>(int64_t batch)>;

/// Checks that the imported module's variables, arena and workspace take at
/// most `limit` bytes, as planned for the target; with `mayChoose` sets
/// `options.recompute` to the least with which they do: norms, activations,
/// then blocks, as many as it takes (more blocks are taken to need less). Else
/// fails with an error that tells how much is needed, and what would fit:
/// another choice, or a smaller batch than `batch` (0: do not try).
mlir::LogicalResult fitMemory(mlir::ModuleOp module, PipelineOptions &options,
                              bool mayChoose, int64_t limit, int64_t batch,
                              ImportWithBatch import);

} // namespace fp8c

#endif // PIPELINES_MEMORYLIMIT_H
