//===- Match.h - What exporters' ops say together ---------------*- C++ -*-===//

#ifndef TRAIN_TRANSFORMS_RECOMPOSE_MATCH_H
#define TRAIN_TRANSFORMS_RECOMPOSE_MATCH_H

#include "Train/IR/Train.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"
#include <optional>

namespace fp8c::train {

inline llvm::ArrayRef<int64_t> shapeOf(mlir::Value value) {
  return mlir::cast<mlir::ShapedType>(value.getType()).getShape();
}

/// The elements of a constant; null if it is none.
inline mlir::DenseElementsAttr getConstant(mlir::Value value) {
  mlir::DenseElementsAttr elements;
  return matchPattern(value, mlir::m_Constant(&elements))
             ? elements
             : mlir::DenseElementsAttr();
}

/// The number that a constant is everywhere.
inline std::optional<double> getNumber(mlir::Value value) {
  mlir::DenseElementsAttr elements = getConstant(value);
  if (!elements || !elements.isSplat() ||
      !llvm::isa<mlir::FloatType>(elements.getElementType()))
    return std::nullopt;
  return elements.getSplatValue<llvm::APFloat>().convertToDouble();
}

/// Is it the number that it is meant to be, as exporters round it?
inline bool isAbout(double number, double expected) {
  return std::abs(number - expected) <= 2e-6 * std::abs(expected);
}

/// What is multiplied, and by which number.
struct Scaled {
  mlir::Value value;
  double factor;
};

/// Of a product with a number, or a quotient by one, that has its operand's
/// type.
inline std::optional<Scaled> getScaled(mlir::Value value) {
  mlir::Operation *op = value.getDefiningOp();
  if (!mlir::isa_and_nonnull<MulOp, DivOp>(op))
    return std::nullopt;
  bool isProduct = mlir::isa<MulOp>(op);
  for (unsigned i = 0; i < (isProduct ? 2 : 1); ++i)
    if (std::optional<double> number = getNumber(op->getOperand(1 - i));
        number && op->getOperand(i).getType() == value.getType())
      return Scaled{op->getOperand(i), isProduct ? *number : 1.0 / *number};
  return std::nullopt;
}

/// The other operand of an op with two, of which `value` is one; null if it is
/// none, or both.
inline mlir::Value getOther(mlir::Operation *op, mlir::Value value) {
  bool isFirst = op->getOperand(0) == value;
  if (isFirst == (op->getOperand(1) == value))
    return {};
  return op->getOperand(isFirst ? 1 : 0);
}

/// The one op of this kind that uses the value, if nothing else does.
template <typename Op> Op getOnlyUser(mlir::Value value) {
  return value.hasOneUse() ? mlir::dyn_cast<Op>(*value.user_begin()) : Op();
}

/// Creates an op that does what several did, of which `last` was the last one:
/// it has the name of the module around them, where names are paths.
template <typename Op, typename... Args>
Op createWhole(mlir::OpBuilder &builder, mlir::Operation *last,
               Args &&...args) {
  Op op = createFor<Op>(builder, last, std::forward<Args>(args)...);
  llvm::StringRef path = getName(last).rsplit('/').first;
  if (path.contains('/'))
    setName(op, path);
  return op;
}

class MaskReader;

// Patterns, each group in a file of its own; and why an op that looks like what
// they put together is left: "" if it does not look like it.

void addRowPatterns(mlir::RewritePatternSet &patterns);
void addNormPatterns(mlir::RewritePatternSet &patterns);
std::string explainNorm(mlir::Operation *op);
void addActivationPatterns(mlir::RewritePatternSet &patterns);
std::string explainActivation(mlir::Operation *op);
void addRotaryPatterns(mlir::RewritePatternSet &patterns);
std::string explainRotary(mlir::Operation *op);
void recomposeAttention(mlir::Block &block, MaskReader &masks);
/// Of attention that exporters have left whole.
void addAttentionPatterns(mlir::RewritePatternSet &patterns);
std::string explainAttention(mlir::Operation *op, MaskReader &masks);

// What is alike in the order of ours.

void gatherProducts(mlir::Block &block);
void orderVariables(mlir::ModuleOp module, mlir::Block &block);

} // namespace fp8c::train

#endif // TRAIN_TRANSFORMS_RECOMPOSE_MATCH_H
