//===- Decision.cpp - What a recipe decides about an op -------------------===//

#include "FP8/Transforms/Decision.h"

#include "llvm/Support/Path.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::fp8;

std::string fp8::describePlace(FileLineColLoc loc) {
  return (llvm::sys::path::filename(loc.getFilename().getValue()) + ":" +
          Twine(loc.getLine()))
      .str();
}

std::string fp8::nameOf(FloatType type) {
  std::string name;
  llvm::raw_string_ostream(name) << type;
  return name;
}

void Decision::because(const Twine &reason) {
  std::string text = reason.str();
  if (StringRef(why).contains(text))
    return;
  if (!why.empty())
    why += ", ";
  why += text;
}

void Decision::attachTo(Operation *op) const {
  op->removeDiscardableAttr(kPrecisionAttr); // that of another recipe
  if (result.empty() && !lhs && !storage && why.empty())
    return;
  MLIRContext *context = op->getContext();
  op->setDiscardableAttr(kPrecisionAttr,
                         PrecisionAttr::get(context, result, lhs, rhs,
                                            fastAccum, storage,
                                            StringAttr::get(context, why)));
}
