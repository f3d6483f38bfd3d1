//===- Operators.cpp - The operators that can be imported -----------------===//

#include "Import/ONNX/Operators.h"

#include <map>

using namespace mlir;

namespace fp8c {

/// The rows of each operator, oldest first, by domain and name.
using OperatorForms =
    std::map<std::pair<StringRef, StringRef>, SmallVector<const Operator *, 2>>;

static const OperatorForms &operatorRows() {
  static const OperatorForms rows = [] {
    OperatorForms byName;
    for (ArrayRef<Operator> family : {activationOperators(),
                                      attentionOperators(),
                                      constantOperators(),
                                      contractionOperators(),
                                      einsumOperators(),
                                      elementwiseOperators(),
                                      indexingOperators(),
                                      joiningOperators(),
                                      logicOperators(),
                                      lossOperators(),
                                      microsoftAttentionOperators(),
                                      normOperators(),
                                      padOperators(),
                                      quantizationOperators(),
                                      reductionOperators(),
                                      rotaryOperators(),
                                      scatterOperators(),
                                      shapeOperators(),
                                      softmaxOperators(),
                                      sourceOperators()})
      for (const Operator &op : family)
        byName[{op.domain, op.name}].push_back(&op);
    for (auto &[name, forms] : byName)
      llvm::sort(forms, [](const Operator *a, const Operator *b) {
        return a->since < b->since;
      });
    return byName;
  }();
  return rows;
}

const Operator *findOperator(StringRef domain, StringRef name,
                             int64_t version) {
  auto found = operatorRows().find({domain, name});
  if (found == operatorRows().end())
    return nullptr;
  const Operator *row = found->second.front();
  for (const Operator *form : found->second)
    if (form->since <= version)
      row = form;
  return row;
}

std::vector<const Operator *> allOperators() {
  std::vector<const Operator *> all;
  for (const auto &[name, forms] : operatorRows())
    llvm::append_range(all, forms);
  return all;
}

} // namespace fp8c
