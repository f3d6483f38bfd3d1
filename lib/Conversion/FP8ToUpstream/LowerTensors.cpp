//===- LowerTensors.cpp - Scaled tensors in upstream's ops ----------------===//

#include "Conversion/FP8ToUpstream/Builders.h"
#include "Conversion/FP8ToUpstream/Patterns.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::upstream;

namespace {
struct LowerQuantize : OpConversionPattern<fp8::QuantizeOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult
  matchAndRewrite(fp8::QuantizeOp op, OneToNOpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    Value input = adaptor.getInput().front(),
          scale = adaptor.getScale().front();
    fp8::ScaledType type = op.getOutput().getType();
    Value codes = buildElementwise(
        b, getCodesType(type), input,
        [&](ImplicitLocOpBuilder &inner, ValueRange values) {
          return buildCode(inner, values[0], scale, type.getStorage());
        });
    SmallVector<Value> stats;
    if (!op.getStats().use_empty())
      stats.push_back(buildRead(b, buildMagnitudes(b, input)));
    rewriter.replaceOpWithMultiple(
        op, SmallVector<SmallVector<Value>>{{codes, buildInverse(b, scale)},
                                            stats});
    return success();
  }
};

struct LowerQuantizeTiles : OpConversionPattern<fp8::QuantizeTilesOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult
  matchAndRewrite(fp8::QuantizeTilesOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    fp8::ScaledType type = op.getOutput().getType();
    RankedTensorType scalesType = getTileScalesType(type);
    Scaling scaling{type.getStorage(), static_cast<int64_t>(op.getMargin()),
                    op.getPow2()};
    Value amaxes = buildTileAmaxes(b, adaptor.getInput(), type);
    Value scales = buildElementwise(
        b, scalesType, amaxes,
        [&](ImplicitLocOpBuilder &inner, ValueRange values) {
          return buildScale(inner, scaling, values[0], buildFloat(inner, 1.0f));
        });
    Value codes = buildElementwise(
        b, getCodesType(type), {adaptor.getInput(), scales},
        [&](ImplicitLocOpBuilder &inner, ValueRange values) {
          return buildCode(inner, values[0], values[1], type.getStorage());
        },
        {std::nullopt, getTileMap(type)});
    Value inverses =
        buildElementwise(b, scalesType, scales,
                         [](ImplicitLocOpBuilder &inner, ValueRange values) {
                           return buildInverse(inner, values[0]);
                         });
    rewriter.replaceOpWithMultiple(op, {{codes, inverses}});
    return success();
  }

private:
  /// Every dimension is taken apart into tiles and what is in one, of which the
  /// largest is wanted. Zeros fill up what the tensor's end cuts off.
  static Value buildTileAmaxes(ImplicitLocOpBuilder &b, Value input,
                               fp8::ScaledType type) {
    auto inputType = cast<RankedTensorType>(input.getType());
    // Upstream's bufferization does not pad what has no elements.
    if (inputType.getNumElements() == 0)
      return buildZeros(b, getTileScalesType(type).getShape());
    SmallVector<int64_t> padded, split, tiles;
    SmallVector<OpFoldResult> low, high;
    SmallVector<ReassociationIndices> dims;
    for (auto [size, dim] : llvm::zip(type.getShape(), getTileDims(type))) {
      int64_t at = split.size();
      padded.push_back(dim.count * dim.width);
      split.append({dim.count, dim.width});
      tiles.push_back(at);
      dims.push_back({at, at + 1});
      low.push_back(b.getIndexAttr(0));
      high.push_back(b.getIndexAttr(padded.back() - size));
    }
    Type element = inputType.getElementType();
    if (ArrayRef<int64_t>(padded) != inputType.getShape()) {
      Value zero = arith::ConstantOp::create(b, b.getZeroAttr(element));
      input = tensor::PadOp::create(b, RankedTensorType::get(padded, element),
                                    input, low, high, zero);
    }
    input = tensor::ExpandShapeOp::create(
        b, RankedTensorType::get(split, element), input, dims);
    return buildMagnitudes(b, input, tiles);
  }
};

struct LowerDequantize : OpConversionPattern<fp8::DequantizeOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult
  matchAndRewrite(fp8::DequantizeOp op, OneToNOpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    fp8::ScaledType type = op.getInput().getType();
    auto result = cast<RankedTensorType>(op.getType());
    ValueRange input = adaptor.getInput();
    SmallVector<Value> inputs = {input[0]};
    SmallVector<std::optional<AffineMap>> maps = {std::nullopt};
    if (!type.isPerTensor()) {
      inputs.push_back(input[1]);
      maps.push_back(getTileMap(type));
    }
    Value values = buildElementwise(
        b, result, inputs,
        [&](ImplicitLocOpBuilder &inner, ValueRange elements) {
          Value inverse = type.isPerTensor() ? input[1] : elements[1];
          Value code = buildCast(inner, elements[0], inner.getF32Type());
          return buildCast(inner, arith::MulFOp::create(inner, code, inverse),
                           result.getElementType());
        },
        maps);
    rewriter.replaceOp(op, values);
    return success();
  }
};

struct LowerTranspose : OpConversionPattern<fp8::TransposeOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult
  matchAndRewrite(fp8::TransposeOp op, OneToNOpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    fp8::ScaledType type = op.getOutput().getType();
    auto transpose = [&](Value input, RankedTensorType result) -> Value {
      Value init = tensor::EmptyOp::create(b, result.getShape(),
                                           result.getElementType());
      return linalg::TransposeOp::create(b, input, init, op.getPermutation())
          ->getResult(0);
    };
    Value codes = transpose(adaptor.getInput()[0], getCodesType(type)),
          scales = adaptor.getInput()[1];
    if (!type.isPerTensor())
      scales = transpose(scales, getTileScalesType(type));
    rewriter.replaceOpWithMultiple(op, {{codes, scales}});
    return success();
  }
};

struct LowerConcat : OpConversionPattern<fp8::ConcatOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult
  matchAndRewrite(fp8::ConcatOp op, OneToNOpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    ArrayRef<ValueRange> parts = adaptor.getParts();
    SmallVector<Value> codes = llvm::map_to_vector(
        parts, [](ValueRange part) { return part.front(); });
    Value joined = tensor::ConcatOp::create(b, op.getAxis(), ValueRange(codes));
    // All parts have one scale.
    rewriter.replaceOpWithMultiple(op, {{joined, parts.front()[1]}});
    return success();
  }
};

struct LowerClamp : OpConversionPattern<fp8::ClampOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult
  matchAndRewrite(fp8::ClampOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    auto type = cast<RankedTensorType>(op.getOutput().getType());
    Value high = buildRead(b, adaptor.getLimit());
    Value low = arith::NegFOp::create(b, high);
    Value output = buildElementwise(
        b, type, adaptor.getInput(),
        [&](ImplicitLocOpBuilder &inner, ValueRange values) {
          Value x = buildCast(inner, values[0], inner.getF32Type());
          return buildCast(inner, buildLimited(inner, x, low, high),
                           type.getElementType());
        });
    SmallVector<Value> stats;
    if (!op.getStats().use_empty())
      stats.push_back(buildRead(b, buildMagnitudes(b, adaptor.getInput())));
    rewriter.replaceOpWithMultiple(
        op, SmallVector<SmallVector<Value>>{{output}, stats});
    return success();
  }
};
} // namespace

void upstream::addTensorPatterns(const TypeConverter &types,
                                 RewritePatternSet &patterns) {
  patterns.add<LowerQuantize, LowerQuantizeTiles, LowerDequantize,
               LowerTranspose, LowerConcat, LowerClamp>(types,
                                                        patterns.getContext());
}
