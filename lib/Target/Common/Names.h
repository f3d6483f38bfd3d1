//===- Names.h - What things are called in emitted source -------*- C++ -*-===//

#ifndef TARGET_COMMON_NAMES_H
#define TARGET_COMMON_NAMES_H

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/raw_ostream.h"

namespace fp8c::target {

/// C++ name of an element type of the kernel library: float, bf16, e4m3, ….
std::string getElementName(mlir::Type type);

/// "[16, 128, 512]".
std::string getShapeText(llvm::ArrayRef<int64_t> shape);

/// "h.0/mlp/fc" gives "h0_mlp_fc"; of long names the beginning.
std::string toIdentifier(llvm::StringRef name);

/// Name of the functor of a kernel: "add_layer_norm" gives
/// "AddLayerNormKernel".
std::string toTypeName(llvm::StringRef name);

/// Keeps identifiers of one scope apart by numbering the later ones. Words of
/// C++ are taken from the start, and what may be a macro of some header gets a
/// prefix: "NULL" becomes "v_NULL".
class Scope {
public:
  Scope();
  std::string unique(llvm::StringRef name);

private:
  friend llvm::LogicalResult
  printScope(llvm::raw_ostream &os,
             llvm::function_ref<llvm::LogicalResult(Scope, llvm::raw_ostream &)>
                 print);
  /// Names given out are marked, so that `reserveWords` can tell them from
  /// words.
  bool isDraft = false;
  void reserveWords(llvm::StringRef text);
  llvm::StringMap<unsigned> counts;
};

/// Prints a piece of C++ that has names from outside. Which words the piece
/// itself consists of (functions it calls, types, names of its own) is seen in
/// a draft: no name from outside becomes one of them.
llvm::LogicalResult printScope(
    llvm::raw_ostream &os,
    llvm::function_ref<llvm::LogicalResult(Scope, llvm::raw_ostream &)> print);

} // namespace fp8c::target

#endif // TARGET_COMMON_NAMES_H
