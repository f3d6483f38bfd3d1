//===- DiscardableAttrs.h - Which attributes a dialect knows ---*- C++ -*-===//
//
// A discardable attribute that carries a dialect's prefix is one that the
// dialect knows, of its type, in its place. All others are errors: a pass that
// asks for an attribute by name would read a misspelt one as absent.
//
//===----------------------------------------------------------------------===//

#ifndef FP8_IR_DISCARDABLEATTRS_H
#define FP8_IR_DISCARDABLEATTRS_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Operation.h"

namespace fp8c {

/// Where an attribute may stand; places are or'ed. A variable is a symbol that
/// is neither a module nor a function.
enum AttrPlace : unsigned {
  OnOp = 1,
  OnModule = 2,
  OnFunction = 4,
  OnVariable = 8,
  OnArgument = 16,
  OnResult = 32
};

/// A discardable attribute of a dialect.
struct KnownAttr {
  llvm::StringLiteral name;
  unsigned places;
  bool (*isOfType)(mlir::Attribute);
  /// "a string", for errors.
  llvm::StringLiteral type;
};

/// A row of a table: the attribute must be an `Attr`.
template <typename Attr>
constexpr KnownAttr knownAttr(llvm::StringLiteral name, unsigned places,
                              llvm::StringLiteral type) {
  return {name, places,
          [](mlir::Attribute attr) { return mlir::isa<Attr>(attr); }, type};
}
inline bool isI64(mlir::Attribute attr) {
  auto integer = mlir::dyn_cast<mlir::IntegerAttr>(attr);
  return integer && integer.getType().isSignlessInteger(64);
}
constexpr KnownAttr knownI64(llvm::StringLiteral name, unsigned places) {
  return {name, places, isI64, "an integer of type i64"};
}

/// Is every element of an array of this type?
template <typename Attr> bool isArrayOf(mlir::Attribute attr) {
  auto array = mlir::dyn_cast<mlir::ArrayAttr>(attr);
  return array && llvm::all_of(array, llvm::IsaPred<Attr>);
}

/// Is the op a symbol that is neither a module nor a function?
bool isVariable(mlir::Operation *op);

/// An error at `op` if `attr` is unknown, stands on it where it must not, or is
/// of another type.
mlir::LogicalResult verifyOperationAttr(mlir::Operation *op,
                                        mlir::NamedAttribute attr,
                                        llvm::ArrayRef<KnownAttr> known);

/// The same for attributes of arguments and results of the function `op`.
mlir::LogicalResult verifySignatureAttr(mlir::Operation *op, AttrPlace place,
                                        unsigned index,
                                        mlir::NamedAttribute attr,
                                        llvm::ArrayRef<KnownAttr> known);

} // namespace fp8c

#endif // FP8_IR_DISCARDABLEATTRS_H
