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
#include "mlir/Interfaces/FunctionInterfaces.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::fp8;

namespace fp8c::fp8 {
#define GEN_PASS_DEF_INSERTSCALING
#include "FP8/Transforms/Passes.h.inc"
} // namespace fp8c::fp8

static LogicalResult insertIntoProgram(const ProgramDialectInterface &dialect,
                                       Operation *root) {
  if (auto module = dyn_cast<ModuleOp>(root))
    return dialect.insertScaling(module);
  return root->emitError("belongs to a program, whose functions share their "
                         "scale states: run fp8-insert-scaling on the module");
}

/// Of symbols that ops name, to call them or otherwise.
static DenseSet<StringAttr> getNamesInUse(Operation *root) {
  DenseSet<StringAttr> names;
  if (!isa<FunctionOpInterface>(root)) // what is around it is not ours to see
    root->walk([&](Operation *op) {
      op->getAttrDictionary().walk([&](SymbolRefAttr symbol) {
        names.insert(symbol.getLeafReference());
      });
    });
  return names;
}

namespace {
struct InsertScaling : fp8::impl::InsertScalingBase<InsertScaling> {
  using Base::Base;
  void runOnOperation() override {
    Operation *root = getOperation();
    if (const ProgramDialectInterface *dialect = findProgramDialect(root)) {
      if (failed(insertIntoProgram(*dialect, root)))
        signalPassFailure();
      return;
    }
    DenseSet<StringAttr> names = getNamesInUse(root);
    SmallVector<FunctionOpInterface> functions;
    root->walk<WalkOrder::PreOrder>([&](FunctionOpInterface function) {
      if (!function.isExternal())
        functions.push_back(function);
      return WalkResult::skip();
    });
    bool failedOnce = false;
    for (FunctionOpInterface function : functions)
      failedOnce |= failed(insertInto(function, names));
    // Products outside of functions.
    if (failedOnce || failed(FunctionScaler(root, nullptr,
                                            "only functions take states as "
                                            "arguments")
                                 .run()))
      signalPassFailure();
  }

  LogicalResult insertInto(FunctionOpInterface function,
                           const DenseSet<StringAttr> &names);
};
} // namespace

LogicalResult InsertScaling::insertInto(FunctionOpInterface function,
                                        const DenseSet<StringAttr> &names) {
  StringRef whyCurrent;
  if (states == StatesPlace::none)
    whyCurrent = "no states are asked for";
  else if (names.contains(function.getNameAttr()))
    whyCurrent = "it is named by ops that do not have its states: inline it, "
                 "or give it to this pass alone";
  else if (!ArgumentStates::fit(function))
    whyCurrent = "it cannot have more arguments and results";
  if (!whyCurrent.empty())
    return FunctionScaler(function, nullptr, whyCurrent).run();
  ArgumentStates arguments(function);
  if (failed(FunctionScaler(function, &arguments).run()))
    return failure();
  return arguments.returnStates();
}
