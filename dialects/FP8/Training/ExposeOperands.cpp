//===- ExposeOperands.cpp - fp8-expose-operands ---------------------------===//
//
// Whoever chooses formats wants to see what products read. Runs before formats
// are assigned: whatever the recipe, a result is the value that would be
// quantised.
//
//===----------------------------------------------------------------------===//

#include "FP8/IR/Precision.h"
#include "FP8/Training/Passes.h"
#include "FP8/Transforms/Recipe.h"
#include "FP8/Transforms/ValueRoles.h"
#include "Train/Transforms/BuildUtils.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::fp8;

namespace fp8c::fp8 {
#define GEN_PASS_DEF_EXPOSEOPERANDS
#include "FP8/Training/Passes.h.inc"
} // namespace fp8c::fp8

namespace {
/// A value that contractions read, and which read it.
struct ExposedOperand {
  std::string name;
  StringRef role;
  SmallVector<Attribute> uses;
};

class Exposer {
public:
  explicit Exposer(func::FuncOp observe)
      : observe(observe), builder(observe.getContext()) {}
  LogicalResult run();

private:
  void add(FP8ContractionOpInterface op, StringRef side);
  std::string makeName(StringRef contraction, StringRef suffix);

  func::FuncOp observe;
  Builder builder;
  ValueRoles roles;
  llvm::MapVector<Value, ExposedOperand> operands;
  llvm::StringSet<> names;
};
} // namespace

/// "h.0/mlp/fc.x"; where several contractions have a name, "h.0/mlp/fc.x.2".
std::string Exposer::makeName(StringRef contraction, StringRef suffix) {
  std::string base = (contraction + "." + suffix).str(), name = base;
  for (int number = 2; !names.insert(name).second; ++number)
    name = base + "." + std::to_string(number);
  return name;
}

void Exposer::add(FP8ContractionOpInterface op, StringRef side) {
  bool isLhs = side == kLhs;
  Value lhs = op.getContractionLhs().get(), rhs = op.getContractionRhs().get();
  Value value = isLhs ? lhs : rhs;
  // What a nested region computes cannot be returned.
  if (value.getParentBlock() != &observe.front())
    return;
  StringRef role = roles.get(value), other = roles.get(isLhs ? rhs : lhs);
  StringRef suffix = getOperandSuffix(role, other, side);
  StringRef name = train::getName(op);
  ExposedOperand &operand = operands[value];
  if (operand.name.empty()) {
    operand.name =
        makeName(name.empty() ? op->getName().getStringRef() : name, suffix);
    operand.role = role;
  }
  operand.uses.push_back(builder.getDictionaryAttr(
      {builder.getNamedAttr("op", builder.getStringAttr(name)),
       builder.getNamedAttr("gemm", builder.getStringAttr(getGemm(op))),
       builder.getNamedAttr("operand", builder.getStringAttr(suffix)),
       builder.getNamedAttr(
           "contracting",
           builder.getDenseI64ArrayAttr(isLhs ? op.getLhsContractingDims()
                                              : op.getRhsContractingDims()))}));
}

LogicalResult Exposer::run() {
  observe.walk<WalkOrder::PreOrder>([&](Operation *op) {
    roles.visit(op);
    if (FP8ContractionOpInterface contraction = getContraction(op)) {
      add(contraction, kLhs);
      add(contraction, kRhs);
    }
  });
  if (operands.empty())
    return observe.emitError("it contracts nothing: there are no operands to "
                             "expose");
  SmallVector<Value> values;
  SmallVector<Type> types;
  SmallVector<DictionaryAttr> attrs;
  for (auto &[value, operand] : operands) {
    values.push_back(value);
    types.push_back(value.getType());
    attrs.push_back(builder.getDictionaryAttr(
        {builder.getNamedAttr(train::kNameAttr,
                              builder.getStringAttr(operand.name)),
         builder.getNamedAttr(kOperandRoleAttr,
                              builder.getStringAttr(operand.role)),
         builder.getNamedAttr(kOperandUsesAttr,
                              builder.getArrayAttr(operand.uses))}));
  }
  observe.front().getTerminator()->setOperands(values);
  observe.setFunctionType(
      builder.getFunctionType(observe.getArgumentTypes(), types));
  observe.setAllResultAttrs(attrs);
  train::eraseDeadOps(observe.front());
  return success();
}

namespace {
struct ExposeOperands : fp8::impl::ExposeOperandsBase<ExposeOperands> {
  using Base::Base;
  void runOnProgram() override {
    ModuleOp module = getOperation();
    FailureOr<func::FuncOp> micro =
        train::requireFunction(module, train::FunctionKind::micro,
                               "run train-autodiff before fp8-expose-operands");
    if (failed(micro) ||
        failed(train::verifyAbsent(module, train::FunctionKind::observe,
                                   "were operands exposed before?")) ||
        failed(
            Exposer(train::cloneForValues(*micro, train::FunctionKind::observe))
                .run()))
      signalPassFailure();
  }
};
} // namespace
