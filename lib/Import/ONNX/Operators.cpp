//===- Operators.cpp - The operators that can be imported -----------------===//

#include "Import/ONNX/Operators.h"

using namespace mlir;

namespace fp8c {

const Operator *findOperator(StringRef name) {
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
  return byName.lookup(name);
}

} // namespace fp8c
