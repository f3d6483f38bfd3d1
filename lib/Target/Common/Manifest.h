//===- Manifest.h - What a program tells the runtime ------------*- C++ -*-===//

#ifndef TARGET_COMMON_MANIFEST_H
#define TARGET_COMMON_MANIFEST_H

#include "Import/ONNX/TensorRange.h"
#include "core/Json.h"
#include "mlir/IR/BuiltinOps.h"

namespace fp8c::target {

/// Where initial data stands, for variables whose init is a range of a file:
/// the program's folder holds copies, one after another, in initial.bin, floats
/// as f32.
struct InitialData {
  struct Range : TensorRange {
    mlir::Type type;    ///< of its elements
    std::string values; ///< the data, where it stands in no file
  };
  std::vector<Range> ranges;
  uint64_t bytes = 0; ///< of initial.bin
};

/// manifest.json of a planned exec module, but for its "files" and its seal,
/// and the data that initial.bin must hold. `gpu` is the architecture that the
/// program is built for; empty on the CPU.
runtime::OrderedJson getManifest(mlir::ModuleOp module, llvm::StringRef target,
                                 llvm::StringRef gpu, InitialData &data);

/// What the emitted code takes for granted of the manifest; see
/// runtime::contractOf.
std::string getContract(mlir::ModuleOp module);

} // namespace fp8c::target

#endif // TARGET_COMMON_MANIFEST_H
