//===- InsertScaling.cpp - fp8-insert-scaling -----------------------------===//
//
// Quantises what contractions want in FP8, each value once per format, and
// makes the contractions fp8.matmul: see FunctionScaler.
//
// A scale is current (from the value's own amax) or delayed (from a state that
// remembers the amaxes of past steps). The dialect of a program has its own
// place for states; functions of other modules take them as arguments.
//
//===----------------------------------------------------------------------===//

#include "FP8/Transforms/ArgumentStates.h"
#include "FP8/Transforms/Passes.h"
#include "FP8/Transforms/Programs.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::fp8;

namespace fp8c::fp8 {
#define GEN_PASS_DEF_INSERTSCALING
#include "FP8/Transforms/Passes.h.inc"
} // namespace fp8c::fp8

namespace {
struct InsertScaling : fp8::impl::InsertScalingBase<InsertScaling> {
  using Base::Base;
  void runOnOperation() override {
    Operation *root = getOperation();
    if (const ProgramDialectInterface *dialect = findProgramDialect(root)) {
      if (failed(dialect->insertScaling(cast<ModuleOp>(root))))
        signalPassFailure();
      return;
    }
    SmallVector<FunctionOpInterface> functions;
    root->walk<WalkOrder::PreOrder>([&](FunctionOpInterface function) {
      if (!function.isExternal())
        functions.push_back(function);
      return WalkResult::skip();
    });
    bool failedOnce = false;
    for (FunctionOpInterface function : functions)
      failedOnce |= failed(insertInto(function));
    // Products outside of functions.
    failedOnce |= failed(
        FunctionScaler(root, nullptr, "only functions take states as arguments")
            .run());
    if (failedOnce)
      signalPassFailure();
  }

  LogicalResult insertInto(FunctionOpInterface function);
};
} // namespace

/// Do others name the function? They would call it without its states.
static bool isNamedByOthers(FunctionOpInterface function, Operation *root) {
  if (function == root)
    return false; // what is around it is not ours to look at
  auto uses = SymbolTable::getSymbolUses(function, root);
  return !uses || !uses->empty();
}

LogicalResult InsertScaling::insertInto(FunctionOpInterface function) {
  StringRef whyCurrent;
  if (states == StatesPlace::none)
    whyCurrent = "no states are asked for";
  else if (isNamedByOthers(function, getOperation()))
    whyCurrent = "other functions name it, which do not have its states: "
                 "inline it, or give it to this pass alone";
  if (!whyCurrent.empty())
    return FunctionScaler(function, nullptr, whyCurrent).run();
  ArgumentStates arguments(function);
  if (failed(FunctionScaler(function, &arguments).run()))
    return failure();
  return arguments.returnStates();
}
