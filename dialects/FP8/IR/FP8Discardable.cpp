//===- FP8Discardable.cpp - Discardable attributes of the fp8 dialect -----===//

#include "FP8/IR/DiscardableAttrs.h"
#include "FP8/IR/Precision.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::fp8;

/// Has a dictionary all of these, of type `Attr`?
template <typename Attr>
static bool has(DictionaryAttr dictionary, ArrayRef<StringRef> keys) {
  return dictionary && llvm::all_of(keys, [&](StringRef key) {
           return dictionary.getAs<Attr>(key) != nullptr;
         });
}

static bool isCounts(Attribute attr) {
  auto counts = dyn_cast_or_null<DictionaryAttr>(attr);
  return counts && llvm::all_of(counts, [](NamedAttribute entry) {
           return isI64(entry.getValue());
         });
}

static bool isProducts(Attribute attr) {
  auto products = dyn_cast<DictionaryAttr>(attr);
  return has<IntegerAttr>(products, {kProductsFP8Key}) &&
         isCounts(products.get(kProductsRefusedKey)) &&
         isCounts(products.get(kProductsAskedKey));
}

static bool isUses(Attribute attr) {
  return isArrayOf<DictionaryAttr>(attr) &&
         llvm::all_of(cast<ArrayAttr>(attr), [](Attribute element) {
           auto use = cast<DictionaryAttr>(element);
           auto how = use.getAs<DictionaryAttr>(kUseQuantisedKey);
           return has<StringAttr>(use, {"op", "gemm", "operand"}) &&
                  has<DenseI64ArrayAttr>(use, {"contracting"}) &&
                  (!use.contains(kUseQuantisedKey) ||
                   (has<TypeAttr>(how, {"format"}) &&
                    has<DenseI64ArrayAttr>(how, {"tile"}) &&
                    has<IntegerAttr>(how, {"margin"})));
         });
}

static bool isRole(Attribute attr) {
  auto role = dyn_cast<StringAttr>(attr);
  return role &&
         llvm::is_contained({kWeight, kGradient, kActivation}, role.getValue());
}

static constexpr KnownAttr kKnownAttrs[] = {
    knownAttr<StringAttr>(kNameAttr, OnOp | OnArgument | OnResult, "a string"),
    knownAttr<PhaseAttr>(kPhaseAttr, OnOp, "a #fp8.phase"),
    knownAttr<PrecisionAttr>(kPrecisionAttr, OnOp, "a #fp8.precision"),
    knownAttr<StringAttr>(kWhyAttr, OnOp, "a string"),
    knownI64(kCountedAttr, OnVariable),
    knownI64(kCurrentUsesAttr, OnModule),
    knownAttr<TypeAttr>(kFormatAttr, OnVariable, "a type"),
    {kProductsAttr, OnModule, isProducts,
     "a dictionary of how many products are {fp8, refused, asked}"},
    knownAttr<StringAttr>(kRecipeAttr, OnModule, "a string"),
    {kOperandRoleAttr, OnArgument | OnResult, isRole,
     "\"weight\", \"gradient\" or \"activation\""},
    {kOperandUsesAttr, OnArgument | OnResult, isUses,
     "an array of {op, gemm, operand, contracting, quantised}"}};

LogicalResult FP8Dialect::verifyOperationAttribute(Operation *op,
                                                   NamedAttribute attr) {
  if (failed(verifyOperationAttr(op, attr, kKnownAttrs)))
    return failure();
  return attr.getName() == kPrecisionAttr
             ? verifyPrecision(op, cast<PrecisionAttr>(attr.getValue()))
             : success();
}
/// Reports tell an operand's uses by the role that it has.
static LogicalResult verifyOfSignature(Operation *op, AttrPlace place,
                                       unsigned index, NamedAttribute attr) {
  if (failed(verifySignatureAttr(op, place, index, attr, kKnownAttrs)))
    return failure();
  auto function = dyn_cast<FunctionOpInterface>(op);
  if (!function || attr.getName() != kOperandUsesAttr ||
      (place == OnArgument ? function.getArgAttr(index, kOperandRoleAttr)
                           : function.getResultAttr(index, kOperandRoleAttr)))
    return success();
  return op->emitOpError("has ")
         << kOperandUsesAttr << " without " << kOperandRoleAttr;
}

LogicalResult FP8Dialect::verifyRegionArgAttribute(Operation *op, unsigned,
                                                   unsigned index,
                                                   NamedAttribute attr) {
  return verifyOfSignature(op, OnArgument, index, attr);
}
LogicalResult FP8Dialect::verifyRegionResultAttribute(Operation *op, unsigned,
                                                      unsigned index,
                                                      NamedAttribute attr) {
  return verifyOfSignature(op, OnResult, index, attr);
}
