//===- FP8ToUpstream.cpp - fp8-lower-to-upstream --------------------------===//

#include "Conversion/FP8ToUpstream/Passes.h"
#include "Conversion/FP8ToUpstream/Patterns.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/ControlFlow/Transforms/StructuralTypeConversions.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Func/Transforms/FuncConversions.h"
#include "mlir/Dialect/SCF/Transforms/Patterns.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::upstream;

namespace fp8c {
#define GEN_PASS_DEF_LOWERTOUPSTREAM
#include "Conversion/FP8ToUpstream/Passes.h.inc"
} // namespace fp8c

static bool isFP8Attr(NamedAttribute attr) {
  return isa_and_nonnull<fp8::FP8Dialect>(attr.getNameDialect());
}

static DictionaryAttr withoutFP8(DictionaryAttr attrs) {
  SmallVector<NamedAttribute> kept(attrs.getValue());
  llvm::erase_if(kept, isFP8Attr);
  return DictionaryAttr::get(attrs.getContext(), kept);
}

namespace {
/// Attributes of a function's arguments and results, to be set again when there
/// are more of these: upstream's conversion leaves each where it stands.
class SignatureAttrs {
public:
  SignatureAttrs(FunctionOpInterface function, const TypeConverter &types)
      : function(function),
        args(expand(function.getArgumentTypes(), types,
                    [&](unsigned i) { return function.getArgAttrDict(i); })),
        results(expand(function.getResultTypes(), types, [&](unsigned i) {
          return function.getResultAttrDict(i);
        })) {}

  void set() {
    function.setAllArgAttrs(args);
    function.setAllResultAttrs(results);
  }

private:
  static SmallVector<DictionaryAttr>
  expand(TypeRange from, const TypeConverter &types,
         llvm::function_ref<DictionaryAttr(unsigned)> getAttrs) {
    SmallVector<DictionaryAttr> all;
    for (auto [i, type] : llvm::enumerate(from)) {
      SmallVector<Type> to;
      if (failed(types.convertType(type, to)))
        llvm_unreachable("checked beforehand");
      DictionaryAttr none = DictionaryAttr::get(type.getContext());
      DictionaryAttr attrs = getAttrs(i);
      size_t at = all.size();
      all.append(to.size(), none);
      if (attrs)
        all[at] = withoutFP8(attrs);
    }
    return all;
  }

  FunctionOpInterface function;
  SmallVector<DictionaryAttr> args, results;
};

struct LowerSelect : OpConversionPattern<arith::SelectOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult
  matchAndRewrite(arith::SelectOp op, OneToNOpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    SmallVector<Value> values;
    for (auto [ifTrue, ifFalse] :
         llvm::zip(adaptor.getTrueValue(), adaptor.getFalseValue()))
      values.push_back(arith::SelectOp::create(rewriter, op.getLoc(),
                                               adaptor.getCondition().front(),
                                               ifTrue, ifFalse));
    rewriter.replaceOpWithMultiple(op, SmallVector<SmallVector<Value>>{values});
    return success();
  }
};

struct LowerToUpstream : fp8c::impl::LowerToUpstreamBase<LowerToUpstream> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    if (failed(checkLowerable(module)))
      return signalPassFailure();
    UpstreamTypes types;
    SmallVector<SignatureAttrs> signatures;
    module.walk([&](FunctionOpInterface function) {
      signatures.emplace_back(function, types);
    });
    if (failed(convert(module, types)))
      return signalPassFailure();
    for (SignatureAttrs &signature : signatures)
      signature.set();
    module.walk([](Operation *op) {
      for (NamedAttribute attr :
           llvm::make_early_inc_range(op->getDiscardableAttrs()))
        if (isFP8Attr(attr))
          op->removeDiscardableAttr(attr.getName());
    });
  }

private:
  static LogicalResult convert(ModuleOp module, const TypeConverter &types) {
    MLIRContext *context = module.getContext();
    RewritePatternSet patterns(context);
    ConversionTarget target(*context);
    addScalePatterns(types, patterns);
    addTensorPatterns(types, patterns);
    addProductPatterns(types, patterns);
    populateFunctionOpInterfaceTypeConversionPattern<func::FuncOp>(patterns,
                                                                   types);
    populateCallOpTypeConversionPattern(patterns, types);
    populateReturnOpTypeConversionPattern(patterns, types);
    scf::populateSCFStructuralTypeConversionsAndLegality(types, patterns,
                                                         target);
    cf::populateCFStructuralTypeConversionsAndLegality(types, patterns, target);
    patterns.add<LowerSelect>(types, context);
    target.addIllegalDialect<fp8::FP8Dialect>();
    target.addDynamicallyLegalOp<func::FuncOp>([&](func::FuncOp op) {
      // Its first block follows; the others are their branches' affair.
      return types.isSignatureLegal(op.getFunctionType());
    });
    target.addDynamicallyLegalOp<func::CallOp, func::ReturnOp, arith::SelectOp>(
        [&](Operation *op) { return types.isLegal(op); });
    target.markUnknownOpDynamicallyLegal([](Operation *) { return true; });
    return applyPartialConversion(module, target, std::move(patterns));
  }
};
} // namespace
