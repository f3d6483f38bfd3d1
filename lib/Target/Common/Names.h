//===- Names.h - What things are called in emitted source -------*- C++ -*-===//

#ifndef TARGET_COMMON_NAMES_H
#define TARGET_COMMON_NAMES_H

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/StringMap.h"

namespace fp8c::target {

/// C++ name of an element type of the kernel library: float, bf16, e4m3, ….
std::string getElementName(mlir::Type type);

/// "[16, 128, 512]".
std::string getShapeText(llvm::ArrayRef<int64_t> shape);

/// "h.0/mlp/fc" gives "h0_mlp_fc".
std::string toIdentifier(llvm::StringRef name);

/// Name of the functor of a kernel: "add_layer_norm" gives
/// "AddLayerNormKernel".
std::string toTypeName(llvm::StringRef name);

/// Keeps identifiers of one scope apart by numbering the later ones; words of
/// C++ and of the kernel library are taken from the start.
class Scope {
public:
  Scope();
  std::string unique(llvm::StringRef name);

private:
  llvm::StringMap<unsigned> counts;
};

} // namespace fp8c::target

#endif // TARGET_COMMON_NAMES_H
