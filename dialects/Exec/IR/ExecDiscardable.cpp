//===- ExecDiscardable.cpp - Discardable attributes of the exec dialect ---===//

#include "Exec/IR/Exec.h"
#include "FP8/IR/DiscardableAttrs.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::exec;

static constexpr KnownAttr kKnownAttrs[] = {
    knownI64(kInputsAttr, OnFunction),
    knownI64(kPeakAttr, OnFunction),
    knownI64(kLowerBoundAttr, OnFunction),
    knownI64(kVariablesAttr, OnModule),
    knownI64(kArenaAttr, OnModule),
    knownI64(kWorkspaceAttr, OnModule),
    knownAttr<TargetAttrInterface>(kTargetAttr, OnModule,
                                   "a target, as #exec.target<cuda, sm_90>")};

LogicalResult ExecDialect::verifyOperationAttribute(Operation *op,
                                                    NamedAttribute attr) {
  return verifyOperationAttr(op, attr, kKnownAttrs);
}
