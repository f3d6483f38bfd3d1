//===- CheckLowerable.cpp - What has no counterpart upstream --------------===//

#include "Conversion/FP8ToUpstream/Patterns.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::upstream;

/// Ops of other dialects that only pass values on.
static bool passesOn(Operation *op) {
  return isa<func::FuncOp, func::CallOp, func::ReturnOp, cf::BranchOp,
             cf::CondBranchOp, scf::ForOp, scf::IfOp, scf::WhileOp,
             scf::ConditionOp, scf::YieldOp, arith::SelectOp>(op);
}

/// A type of ours that the op, of another dialect, has and that cannot be
/// converted there; null if there is none.
static Type findLost(Operation *op) {
  SmallVector<Type> types;
  bool convertible = passesOn(op);
  auto add = [&](TypeRange range, bool isConverted) {
    llvm::copy_if(range, std::back_inserter(types), [&](Type type) {
      return containsFP8(type) && !(isConverted && isOfFP8(type));
    });
  };
  add(op->getOperandTypes(), convertible);
  add(op->getResultTypes(), convertible);
  for (Region &region : op->getRegions())
    for (Block &block : region)
      // What nothing branches to is not converted along with a branch.
      add(block.getArgumentTypes(),
          convertible && (block.isEntryBlock() || !block.hasNoPredecessors()));
  if (auto function = dyn_cast<func::FuncOp>(op)) {
    add(function.getArgumentTypes(), convertible);
    add(function.getResultTypes(), convertible);
  } else {
    for (NamedAttribute attr : op->getAttrs())
      if (auto type = dyn_cast<TypeAttr>(attr.getValue()))
        add(type.getValue(), /*isConverted=*/false);
  }
  return types.empty() ? Type() : types.front();
}

static LogicalResult checkFP8(Operation *op) {
  return TypeSwitch<Operation *, LogicalResult>(op)
      .Case([](fp8::QuantizeOp quantize) -> LogicalResult {
        if (!quantize.getStochasticAttr())
          return success();
        return quantize.emitOpError(
            "rounds stochastically, which upstream's ops cannot: leave "
            "'stochastic' and the key out to round to nearest");
      })
      .Case([](fp8::ComputeScaleOp scale) -> LogicalResult {
        if (!scale.getPoison() || scale.getAmax().getDefiningOp<fp8::AmaxOp>())
          return success();
        return scale.emitOpError(
            "poisons the scale of an amax that no fp8.amax beside it gives: "
            "whether its tensor was finite is not known here; compute the amax "
            "in the same function, or leave 'poison' out");
      })
      .Case([](fp8::ConcatOp concat) -> LogicalResult {
        if (!concat.getParts().empty())
          return success();
        return concat.emitOpError("joins nothing, and so has no scale");
      })
      .Case<fp8::AgreeOp, fp8::AllReduceOp, fp8::AllGatherOp,
            fp8::ReduceScatterOp, fp8::AllToAllOp, fp8::AdjustMuOp>(
          [](Operation *collective) -> LogicalResult {
            return collective->emitOpError(
                "joins processes, which has no counterpart in linalg and "
                "arith: lower the program of one process, without it");
          })
      .Default(success());
}

LogicalResult upstream::checkLowerable(ModuleOp module) {
  LogicalResult result = success();
  module.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (isa_and_nonnull<fp8::FP8Dialect>(op->getDialect())) {
      if (failed(checkFP8(op)))
        result = failure();
    } else if (Type lost = findLost(op)) {
      op->emitOpError("has ")
          << lost
          << ", which becomes plain values only in functions, calls, "
             "branches, scf.for, scf.if, scf.while and arith.select: pass on "
             "dequantised values instead";
      result = failure();
    }
  });
  return result;
}
