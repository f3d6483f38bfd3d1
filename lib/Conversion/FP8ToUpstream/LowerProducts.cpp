//===- LowerProducts.cpp - FP8 products in upstream's ops -----------------===//
//
// An operand with one scale is multiplied as it is stored, and its inverse
// scale is a factor of the sum. Those of tiles are factors of the terms.
//
//===----------------------------------------------------------------------===//

#include "Conversion/FP8ToUpstream/Builders.h"
#include "Conversion/FP8ToUpstream/Patterns.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::upstream;

namespace {
/// The loops of a product: those of the result's dimensions, then those that
/// are summed over.
struct Loops {
  AffineMap lhs, rhs, result;
  SmallVector<utils::IteratorType> kinds;

  explicit Loops(fp8::MatmulOp op);
};
} // namespace

Loops::Loops(fp8::MatmulOp op) {
  MLIRContext *context = op.getContext();
  int64_t resultRank = fp8::getShape(op.getOutput().getType()).size();
  SmallVector<int64_t> lhsDims = op.getLhsContractingDims(),
                       rhsDims = op.getRhsContractingDims();
  unsigned count = resultRank + lhsDims.size();
  int64_t batch = op.getBatchRank(), free = batch;
  auto getMap = [&](fp8::ScaledType type, ArrayRef<int64_t> contracting) {
    SmallVector<AffineExpr> dims;
    for (int64_t i = 0; i < type.getRank(); ++i) {
      const auto *at = llvm::find(contracting, i);
      int64_t loop = i < batch ? i
                     : at == contracting.end()
                         ? free++
                         : resultRank + (at - contracting.begin());
      dims.push_back(getAffineDimExpr(loop, context));
    }
    return AffineMap::get(count, 0, dims, context);
  };
  lhs = getMap(op.getLhs().getType(), lhsDims);
  rhs = getMap(op.getRhs().getType(), rhsDims);
  SmallVector<AffineExpr> resultDims;
  for (int64_t i = 0; i < resultRank; ++i)
    resultDims.push_back(getAffineDimExpr(i, context));
  result = AffineMap::get(count, 0, resultDims, context);
  kinds.assign(resultRank, utils::IteratorType::parallel);
  kinds.append(lhsDims.size(), utils::IteratorType::reduction);
}

namespace {
struct LowerMatmul : OpConversionPattern<fp8::MatmulOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult
  matchAndRewrite(fp8::MatmulOp op, OneToNOpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    ValueRange lhs = adaptor.getLhs(), rhs = adaptor.getRhs();
    Value factor;
    for (auto [operand, type] :
         {std::pair(lhs, op.getLhs().getType()), {rhs, op.getRhs().getType()}})
      if (type.isPerTensor())
        factor =
            factor ? arith::MulFOp::create(b, factor, operand[1]) : operand[1];
    Value sum = op.getLhs().getType().isPerTensor() &&
                        op.getRhs().getType().isPerTensor()
                    ? buildContraction(b, op, lhs[0], rhs[0])
                    : buildTiledSum(b, op, lhs, rhs);
    auto type = cast<RankedTensorType>(op.getOutput().getType());
    if (factor || !type.getElementType().isF32())
      sum = buildElementwise(
          b, type, sum, [&](ImplicitLocOpBuilder &inner, ValueRange values) {
            Value x = values[0];
            if (factor)
              x = arith::MulFOp::create(inner, x, factor);
            return buildCast(inner, x, type.getElementType());
          });
    rewriter.replaceOp(op, sum);
    return success();
  }

private:
  /// The sum of products of codes.
  static Value buildContraction(ImplicitLocOpBuilder &b, fp8::MatmulOp op,
                                Value lhs, Value rhs) {
    Loops loops(op);
    Value init = buildZeros(b, fp8::getShape(op.getOutput().getType()));
    return linalg::ContractOp::create(
               b, TypeRange(init.getType()), ValueRange{lhs, rhs},
               ValueRange(init),
               b.getAffineMapArrayAttr({loops.lhs, loops.rhs, loops.result}))
        .getResult(0);
  }

  /// The sum of products of codes, each times the inverse scale of its tile.
  static Value buildTiledSum(ImplicitLocOpBuilder &b, fp8::MatmulOp op,
                             ValueRange lhs, ValueRange rhs) {
    Loops loops(op);
    SmallVector<Value> inputs;
    SmallVector<AffineMap> maps;
    auto add = [&](ValueRange operand, fp8::ScaledType type, AffineMap map) {
      inputs.push_back(operand[0]);
      maps.push_back(map);
      if (type.isPerTensor())
        return;
      inputs.push_back(operand[1]);
      maps.push_back(getTileMap(type).compose(map));
    };
    add(lhs, op.getLhs().getType(), loops.lhs);
    size_t rhsAt = inputs.size();
    add(rhs, op.getRhs().getType(), loops.rhs);
    maps.push_back(loops.result);
    Value init = buildZeros(b, fp8::getShape(op.getOutput().getType()));
    return linalg::GenericOp::create(
               b, TypeRange(init.getType()), inputs, ValueRange(init), maps,
               loops.kinds,
               [&](OpBuilder &builder, Location loc, ValueRange values) {
                 ImplicitLocOpBuilder inner(loc, builder);
                 auto read = [&](size_t from, size_t to) {
                   Value x = buildCast(inner, values[from], inner.getF32Type());
                   return to - from == 1 ? x
                                         : Value(arith::MulFOp::create(
                                               inner, x, values[from + 1]));
                 };
                 Value x = read(0, rhsAt), y = read(rhsAt, inputs.size());
                 Value product = arith::MulFOp::create(inner, x, y);
                 Value sum =
                     arith::AddFOp::create(inner, values.back(), product);
                 linalg::YieldOp::create(inner, sum);
               })
        .getResult(0);
  }
};
} // namespace

void upstream::addProductPatterns(const TypeConverter &types,
                                  RewritePatternSet &patterns) {
  patterns.add<LowerMatmul>(types, patterns.getContext());
}
