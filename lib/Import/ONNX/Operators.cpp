//===- Operators.cpp - The operators that can be imported -----------------===//

#include "Import/ONNX/Operators.h"

using namespace mlir;

namespace fp8c {

static const llvm::StringMap<const Operator *> &operatorsByName() {
  static const llvm::StringMap<const Operator *> byName = [] {
    llvm::StringMap<const Operator *> map;
    for (ArrayRef<Operator> family :
         {attentionOperators(), constantOperators(), contractionOperators(),
          elementwiseOperators(), indexingOperators(), lossOperators(),
          normOperators(), reductionOperators(), shapeOperators(),
          sourceOperators()})
      for (const Operator &op : family)
        map[op.name] = &op;
    return map;
  }();
  return byName;
}

const Operator *findOperator(StringRef name) {
  return operatorsByName().lookup(name);
}

std::vector<const Operator *> allOperators() {
  std::vector<const Operator *> all;
  for (const auto &entry : operatorsByName())
    all.push_back(entry.second);
  llvm::sort(all, [](const Operator *a, const Operator *b) {
    return StringRef(a->name) < StringRef(b->name);
  });
  return all;
}

} // namespace fp8c
