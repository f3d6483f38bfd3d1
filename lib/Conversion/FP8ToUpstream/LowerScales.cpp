//===- LowerScales.cpp - Scales and states in upstream's ops --------------===//
//
// A state is (scale, recorded, window): `recorded` is the largest amax since
// the last advance, 0 if there was none, and the window holds the amaxes of the
// last steps, newest first, 0 where there was no step yet. A zero is no amax:
// it says nothing about a scale, so that the states of the cpu target, which
// count what they hold, give the same scales.
//
//===----------------------------------------------------------------------===//

#include "Conversion/FP8ToUpstream/Builders.h"
#include "Conversion/FP8ToUpstream/Patterns.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <limits>

using namespace mlir;
using namespace fp8c;
using namespace fp8c::upstream;

namespace {
struct LowerAmax : OpConversionPattern<fp8::AmaxOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult
  matchAndRewrite(fp8::AmaxOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    rewriter.replaceOp(op, buildMagnitudes(b, adaptor.getInput()));
    return success();
  }
};

struct LowerComputeScale : OpConversionPattern<fp8::ComputeScaleOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult
  matchAndRewrite(fp8::ComputeScaleOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    Scaling scaling{op.getScale().getType().getStorage(),
                    static_cast<int64_t>(op.getMargin()), op.getPow2()};
    Value read = buildRead(b, adaptor.getAmax());
    Value scale = buildScale(b, scaling, read, buildFloat(b, 1.0f));
    if (op.getPoison()) {
      // An amax does not tell whether there was more: the tensor does.
      auto amax = op.getAmax().getDefiningOp<fp8::AmaxOp>();
      Value largest = buildRead(
          b, buildMagnitudes(b, rewriter.getRemappedValue(amax.getInput()),
                             /*kept=*/{}, /*all=*/true));
      constexpr float nan = std::numeric_limits<float>::quiet_NaN();
      Value isFinite = buildIsFinite(b, largest);
      scale = arith::SelectOp::create(b, isFinite, scale, buildFloat(b, nan));
    }
    rewriter.replaceOp(op, scale);
    return success();
  }
};

struct LowerScaleBy : OpConversionPattern<fp8::ScaleByOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult
  matchAndRewrite(fp8::ScaleByOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    SmallVector<Value> scales;
    for (auto [scale, factor] :
         llvm::zip(adaptor.getScales(), adaptor.getFactors()))
      scales.push_back(arith::MulFOp::create(b, scale, buildRead(b, factor)));
    rewriter.replaceOp(op, scales);
    return success();
  }
};

struct LowerInitialState : OpConversionPattern<fp8::InitialStateOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult
  matchAndRewrite(fp8::InitialStateOp op, OpAdaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    auto window =
        RankedTensorType::get({op.getType().getWindow()}, b.getF32Type());
    Value zeros = arith::ConstantOp::create(b, b.getZeroAttr(window));
    rewriter.replaceOpWithMultiple(
        op, {{buildFloat(b, 1.0f), buildFloat(b, 0.0f), zeros}});
    return success();
  }
};

struct LowerCurrentScale : OpConversionPattern<fp8::CurrentScaleOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult
  matchAndRewrite(fp8::CurrentScaleOp op, OneToNOpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    rewriter.replaceOp(op, adaptor.getState().front());
    return success();
  }
};

struct LowerRecord : OpConversionPattern<fp8::RecordOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult
  matchAndRewrite(fp8::RecordOp op, OneToNOpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    ValueRange state = adaptor.getState();
    Value recorded =
        arith::MaximumFOp::create(b, state[1], adaptor.getStats().front());
    rewriter.replaceOpWithMultiple(op, {{state[0], recorded, state[2]}});
    return success();
  }
};

struct LowerAdvance : OpConversionPattern<fp8::AdvanceOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult
  matchAndRewrite(fp8::AdvanceOp op, OneToNOpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    ValueRange state = adaptor.getState();
    Value recorded = state[1], window = state[2];
    Value zero = buildFloat(b, 0.0f);
    Value isRecorded =
        arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, recorded, zero);
    // Element by element: a choice between tensors would leave two buffers to
    // whoever bufferizes.
    window = buildElementwise(
        b, cast<RankedTensorType>(window.getType()),
        {buildPushed(b, recorded, window), window},
        [&](ImplicitLocOpBuilder &inner, ValueRange values) -> Value {
          return arith::SelectOp::create(inner, isRecorded, values[0],
                                         values[1]);
        });
    fp8::ScaleStateType type = op.getState().getType();
    Scaling scaling{type.getStorage(), static_cast<int64_t>(op.getMargin()),
                    op.getPow2()};
    Value amax = buildRead(b, buildMagnitudes(b, window, {}, /*all=*/true));
    Value scale = buildScale(b, scaling, amax, /*otherwise=*/state[0]);
    rewriter.replaceOpWithMultiple(op, {{scale, zero, window}});
    return success();
  }

private:
  /// The newest amax, and all others but the oldest.
  static Value buildPushed(ImplicitLocOpBuilder &b, Value amax, Value window) {
    auto type = cast<RankedTensorType>(window.getType());
    Value first = tensor::FromElementsOp::create(
        b, RankedTensorType::get({1}, b.getF32Type()), amax);
    int64_t rest = type.getDimSize(0) - 1;
    if (rest == 0)
      return first;
    Value kept = tensor::ExtractSliceOp::create(
        b, window, ArrayRef<OpFoldResult>(b.getIndexAttr(0)),
        ArrayRef<OpFoldResult>(b.getIndexAttr(rest)),
        ArrayRef<OpFoldResult>(b.getIndexAttr(1)));
    return tensor::ConcatOp::create(b, /*dim=*/0, ValueRange{first, kept});
  }
};
} // namespace

void upstream::addScalePatterns(const TypeConverter &types,
                                RewritePatternSet &patterns) {
  patterns.add<LowerAmax, LowerComputeScale, LowerScaleBy, LowerInitialState,
               LowerCurrentScale, LowerRecord, LowerAdvance>(
      types, patterns.getContext());
}
