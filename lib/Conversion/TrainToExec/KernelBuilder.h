//===- KernelBuilder.h - From fusions to kernels ----------------*- C++ -*-===//

#ifndef CONVERSION_TRAINTOEXEC_KERNELBUILDER_H
#define CONVERSION_TRAINTOEXEC_KERNELBUILDER_H

#include "Exec/IR/Exec.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringMap.h"
#include <map>

namespace fp8c {

/// How a value of a fusion depends on the position in the matrix rows x cols
/// that the kernel runs over.
struct Position {
  exec::Access access;
  int64_t period = 0; // of `tile`, in rows

  /// None if a tensor of shape `value` has no such position in a kernel over
  /// `domain`.
  static std::optional<Position> get(llvm::ArrayRef<int64_t> value,
                                     llvm::ArrayRef<int64_t> domain);
};

/// What happens to what stands where a result goes: it is overwritten, added
/// to, or added to from the second micro-batch of a step on.
enum class Accumulation { Never, Always, UnlessFirst };

/// Turns fusions into kernels; equal fusions share one.
class KernelBuilder {
public:
  explicit KernelBuilder(mlir::ModuleOp module) : module(module) {}

  /// The kernel of a fusion. Its arguments are the fusion's inputs (an FP8
  /// input is two: data and inverse scale), then its outputs. `accumulate` is
  /// of the outputs; only skeleton columns can accumulate.
  /// `pitches` are of the inputs, then of the outputs.
  mlir::FailureOr<exec::KernelOp>
  getKernel(train::FusionOp fusion, llvm::ArrayRef<Accumulation> accumulate,
            llvm::ArrayRef<exec::Pitch> pitches);

private:
  std::string uniqueName(train::FusionOp fusion);

  mlir::ModuleOp module;
  std::map<std::vector<uintptr_t>, exec::KernelOp> kernels;
  llvm::StringMap<unsigned> names;
};

} // namespace fp8c

#endif // CONVERSION_TRAINTOEXEC_KERNELBUILDER_H
