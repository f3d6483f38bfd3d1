//===- TensorExpr.h - Tensor arithmetic that reads like a formula -*- C++
//-*-===//

#ifndef TRAIN_IR_TENSOREXPR_H
#define TRAIN_IR_TENSOREXPR_H

#include "Train/IR/Train.h"

namespace fp8c::train {

/// A tensor whose operators build train ops. Each step's value is f32, whatever
/// its operands are: a formula is rounded once, where its result is used.
class TensorExpr {
public:
  TensorExpr(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value value)
      : builder(&builder), loc(loc), value(value) {}

  operator mlir::Value() const { return value; }

  TensorExpr operator+(TensorExpr o) const { return binary<AddOp>(o); }
  TensorExpr operator-(TensorExpr o) const { return binary<SubOp>(o); }
  TensorExpr operator*(TensorExpr o) const { return binary<MulOp>(o); }
  TensorExpr operator/(TensorExpr o) const { return binary<DivOp>(o); }
  TensorExpr operator*(float c) const { return *this * constant(c); }
  TensorExpr operator+(float c) const { return *this + constant(c); }
  TensorExpr operator-() const { return unary<NegOp>(); }
  friend TensorExpr operator-(float c, TensorExpr x) {
    return x.constant(c) - x;
  }

  TensorExpr abs() const { return unary<AbsOp>(); }
  TensorExpr exp() const { return unary<ExpOp>(); }
  TensorExpr log() const { return unary<LogOp>(); }
  TensorExpr pow(TensorExpr o) const { return binary<PowOp>(o); }
  TensorExpr relu() const { return unary<ReluOp>(); }
  TensorExpr step() const { return unary<StepOp>(); }
  TensorExpr sign() const { return unary<SignOp>(); }
  TensorExpr sqrt() const { return unary<SqrtOp>(); }
  TensorExpr rsqrt() const { return unary<RsqrtOp>(); }
  TensorExpr cast() const { return unary<CastOp>(); }
  TensorExpr sin() const { return unary<SinOp>(); }
  TensorExpr cos() const { return unary<CosOp>(); }
  /// Of booleans: a condition.
  TensorExpr compare(Predicate predicate, TensorExpr o) const {
    return with(CompareOp::create(*builder, loc, predicate, value, o.value));
  }
  /// `positive` where this is, else `otherwise`.
  TensorExpr select(TensorExpr positive, TensorExpr otherwise) const {
    auto type =
        getBroadcastType(positive.value.getType(), otherwise.value.getType());
    type = getBroadcastType(type, value.getType());
    type = withElementType(type, builder->getF32Type());
    return with(SelectOp::create(*builder, loc, type, value, positive.value,
                                 otherwise.value));
  }

  /// Over the last dimension, which stays with size 1.
  TensorExpr rowSum() const { return reduceRows<ReduceSumOp>(); }
  TensorExpr rowMax() const { return reduceRows<ReduceMaxOp>(); }
  TensorExpr rowMean() const {
    return rowSum() * (1.0f / static_cast<float>(getType().getShape().back()));
  }
  /// Over all dimensions but the last.
  TensorExpr columnSum() const {
    auto axes = llvm::to_vector(llvm::seq<int64_t>(0, getType().getRank() - 1));
    return with(ReduceSumOp::create(*builder, loc, value, axes,
                                    /*keepdims=*/false));
  }

  TensorExpr constant(float c) const {
    return with(scalarConstant(*builder, loc, c));
  }
  TensorExpr reshape(llvm::ArrayRef<int64_t> shape) const {
    auto element =
        mlir::cast<mlir::ShapedType>(value.getType()).getElementType();
    auto type = mlir::RankedTensorType::get(shape, element);
    return with(ReshapeOp::create(*builder, loc, type, value));
  }

private:
  TensorExpr with(mlir::Value v) const { return {*builder, loc, v}; }
  mlir::RankedTensorType getType() const {
    return mlir::cast<mlir::RankedTensorType>(value.getType());
  }
  template <typename Op> TensorExpr reduceRows() const {
    return with(Op::create(*builder, loc, value,
                           llvm::ArrayRef<int64_t>{getType().getRank() - 1},
                           /*keepdims=*/true));
  }
  template <typename Op> TensorExpr unary() const {
    auto type = withElementType(value.getType(), builder->getF32Type());
    return with(Op::create(*builder, loc, type, value));
  }
  template <typename Op> TensorExpr binary(TensorExpr o) const {
    auto type = getBroadcastType(value.getType(), o.value.getType());
    type = withElementType(type, builder->getF32Type());
    return with(Op::create(*builder, loc, type, value, o.value));
  }

  mlir::OpBuilder *builder;
  mlir::Location loc;
  mlir::Value value;
};

} // namespace fp8c::train

#endif // TRAIN_IR_TENSOREXPR_H
