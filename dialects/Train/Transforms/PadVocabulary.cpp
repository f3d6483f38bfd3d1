//===- PadVocabulary.cpp - train-pad-vocabulary ---------------------------===//
//
// Logits get columns that are no classes, so that the products that make and
// read them have sizes that tensor cores like. Parameters, gradients and
// results keep the vocabulary that the model has: what is padded is the copy of
// the head's weight that products read.
//
//===----------------------------------------------------------------------===//

#include "FP8/IR/Precision.h"
#include "Train/IR/Train.h"
#include "Train/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

namespace fp8c::train {
#define GEN_PASS_DEF_PADVOCABULARY
#include "Train/Transforms/Passes.h.inc"
} // namespace fp8c::train

namespace {
struct PadVocabulary : train::impl::PadVocabularyBase<PadVocabulary> {
  using Base::Base;
  void runOnProgram() override;

private:
  bool isHead(MatmulOp product, StringAttr weight);
  StringAttr getWeight(Value value);
  Value place(Value value, int64_t dim, Operation *user);
  MatmulOp widen(MatmulOp product);
  void visit(CrossEntropyOp loss);
  void widenUsers(Value old, Value wide, int64_t classes);
  void widenGradient(MatmulOp product, Value old, Value wide, int64_t classes);

  int64_t widthOf(int64_t classes) { return llvm::alignTo(classes, width); }
  int64_t width = 1;
  DenseSet<StringAttr> parameters;
  /// Those whose products are padded.
  DenseSet<StringAttr> weights;
  /// By value and dimension.
  DenseMap<std::pair<Value, int64_t>, Value> placed;
};
} // namespace

static RankedTensorType withSize(Type type, int64_t dim, int64_t size) {
  auto tensor = cast<RankedTensorType>(type);
  SmallVector<int64_t> shape(tensor.getShape());
  shape[dim] = size;
  return RankedTensorType::get(shape, tensor.getElementType());
}

/// The first `size` along a dimension.
static Value cut(OpBuilder &builder, Value value, int64_t dim, int64_t size,
                 Operation *user) {
  auto type = withSize(value.getType(), dim, size);
  SmallVector<int64_t> offsets(type.getRank(), 0), strides(type.getRank(), 1);
  return createFor<SliceOp>(builder, user, type, value, offsets, strides);
}

/// The parameter that a value is a copy of, in another format or layout; null
/// if it is something else.
StringAttr PadVocabulary::getWeight(Value value) {
  Operation *op = value.getDefiningOp();
  while (isa_and_nonnull<CastOp, TransposeOp>(op))
    op = op->getOperand(0).getDefiningOp();
  auto read = dyn_cast_or_null<ReadOp>(op);
  StringAttr name = read ? read.getVariableAttr().getAttr() : StringAttr();
  return parameters.contains(name) ? name : StringAttr();
}

/// Does `product` make logits of a weight [classes, k] or [k, classes], in a
/// format that gains from padding? f32 products have no tiles to fill.
bool PadVocabulary::isHead(MatmulOp product, StringAttr weight) {
  auto rhs = cast<RankedTensorType>(product.getRhs().getType());
  PrecisionAttr precision = getPrecision(product);
  FloatType format = precision ? getFormat(precision.getRhs()) : FloatType();
  Type element = format ? Type(format) : rhs.getElementType();
  return weight && product.getBatch() == 0 && rhs.getRank() == 2 &&
         product.getRhsContractingDims().size() == 1 &&
         element.getIntOrFloatBitWidth() <= 16 &&
         product.getType().getShape().back() % width != 0;
}

/// `value` with zeros at the end of a dimension.
Value PadVocabulary::place(Value value, int64_t dim, Operation *user) {
  Value &result = placed[{value, dim}];
  if (result)
    return result;
  OpBuilder builder(value.getContext());
  builder.setInsertionPointAfterValue(value);
  auto from = cast<RankedTensorType>(value.getType());
  auto type = withSize(from, dim, widthOf(from.getDimSize(dim)));
  SmallVector<int64_t> offsets(type.getRank(), 0), strides(type.getRank(), 1);
  return result =
             createFor<PlaceOp>(builder, user, type, value, offsets, strides);
}

/// A product like this one, with operands or a result that are wider.
static MatmulOp rebuild(MatmulOp product, Value lhs, Value rhs) {
  OpBuilder builder(product);
  auto wide = MatmulOp::create(builder, product.getLoc(), lhs, rhs,
                               product.getLhsContractingDims(),
                               product.getRhsContractingDims());
  wide.getOutput().setType(RankedTensorType::get(
      wide.getType().getShape(), product.getType().getElementType()));
  wide->setDiscardableAttrs(product->getDiscardableAttrDictionary());
  return wide;
}

/// The dimension of a head's weight that counts classes.
static int64_t getClassDim(MatmulOp product) {
  return product.getRhsContractingDims().front() == 0 ? 1 : 0;
}

/// The head with the padded weight.
MatmulOp PadVocabulary::widen(MatmulOp product) {
  return rebuild(product, product.getLhs(),
                 place(product.getRhs(), getClassDim(product), product));
}

/// A product with the logits' gradient, of which `wide` is the padded form.
void PadVocabulary::widenGradient(MatmulOp product, Value old, Value wide,
                                  int64_t classes) {
  bool isLhs = product.getLhs() == old;
  Value other = isLhs ? product.getRhs() : product.getLhs();
  SmallVector<int64_t> dims = isLhs ? product.getLhsContractingDims()
                                    : product.getRhsContractingDims(),
                       otherDims = isLhs ? product.getRhsContractingDims()
                                         : product.getLhsContractingDims();
  int64_t last = cast<RankedTensorType>(old.getType()).getRank() - 1;
  bool contracted = dims.back() == last;
  if (contracted)
    other = place(other, otherDims.back(), product);
  MatmulOp widened =
      rebuild(product, isLhs ? wide : other, isLhs ? other : wide);
  Value result = widened;
  if (!contracted) {
    OpBuilder builder(product);
    int64_t dim =
        isLhs ? last - int64_t(dims.size()) : product.getType().getRank() - 1;
    result = cut(builder, result, dim, classes, product);
  }
  product.replaceAllUsesWith(result);
  product.erase();
}

/// Gives the users of the logits' gradient its padded form.
void PadVocabulary::widenUsers(Value old, Value wide, int64_t classes) {
  Value narrow;
  for (Operation *user : llvm::to_vector(old.getUsers())) {
    auto reshape = dyn_cast<ReshapeOp>(user);
    auto product = dyn_cast<MatmulOp>(user);
    if (reshape && reshape.getType().getRank() > 0 &&
        reshape.getType().getShape().back() == classes) {
      OpBuilder builder(reshape);
      auto type = withSize(reshape.getType(), reshape.getType().getRank() - 1,
                           widthOf(classes));
      type = RankedTensorType::get(type.getShape(),
                                   getElementTypeOrSelf(wide.getType()));
      widenUsers(reshape, createFor<ReshapeOp>(builder, reshape, type, wide),
                 classes);
      if (reshape->use_empty())
        reshape.erase();
    } else if (product && product.getBatch() == 0 &&
               product.getLhs() != product.getRhs()) {
      widenGradient(product, old, wide, classes);
    } else {
      if (!narrow) {
        OpBuilder builder(old.getContext());
        builder.setInsertionPointAfterValue(wide);
        int64_t rank = cast<RankedTensorType>(old.getType()).getRank();
        narrow = cut(builder, wide, rank - 1, classes, wide.getDefiningOp());
      }
      user->replaceUsesOfWith(old, narrow);
    }
  }
}

void PadVocabulary::visit(CrossEntropyOp loss) {
  // The product, and the reshapes between it and the loss.
  SmallVector<ReshapeOp> reshapes;
  Value logits = loss.getLogits();
  int64_t classes = cast<RankedTensorType>(logits.getType()).getShape().back();
  while (auto reshape = logits.getDefiningOp<ReshapeOp>()) {
    reshapes.push_back(reshape);
    logits = reshape.getInput();
    auto type = cast<RankedTensorType>(logits.getType());
    if (type.getRank() == 0 || type.getShape().back() != classes)
      return;
  }
  auto product = logits.getDefiningOp<MatmulOp>();
  StringAttr weight = product ? getWeight(product.getRhs()) : StringAttr();
  if (!product || !isHead(product, weight))
    return;
  weights.insert(weight);
  Value old = loss.getLogits(), wide = widen(product);
  OpBuilder builder(loss);
  for (ReshapeOp reshape : llvm::reverse(reshapes)) {
    int64_t rank = reshape.getType().getRank();
    auto type = withSize(reshape.getType(), rank - 1, widthOf(classes));
    wide = createFor<ReshapeOp>(builder, reshape, type, wide);
  }
  loss.getLogitsMutable().assign(wide);
  loss.setClasses(classes);
  for (Operation *user : llvm::to_vector(old.getUsers())) {
    auto vjp = dyn_cast<CrossEntropyVJPOp>(user);
    if (!vjp)
      continue;
    builder.setInsertionPoint(vjp);
    auto padded = cast<CrossEntropyVJPOp>(builder.clone(*vjp));
    padded.getLogitsMutable().assign(wide);
    padded.setClasses(classes);
    Value gradient = padded.getDlogits();
    int64_t rank = cast<RankedTensorType>(gradient.getType()).getRank();
    gradient.setType(withSize(gradient.getType(), rank - 1, widthOf(classes)));
    widenUsers(vjp.getDlogits(), gradient, classes);
    vjp.erase();
  }
  // What reads the logits themselves finds them by the end of the pass.
  for (ReshapeOp reshape : reshapes)
    if (reshape->use_empty())
      reshape.erase();
  if (product->use_empty())
    product.erase();
}

void PadVocabulary::runOnProgram() {
  width = multiple > 0 ? int64_t(multiple)
                       : getTarget(getOperation()).vocabularyMultiple;
  if (width <= 1)
    return;
  for (auto variable : getOperation().getOps<VariableOp>())
    if (isModelParameter(variable.getRole()))
      parameters.insert(variable.getSymNameAttr());
  SmallVector<CrossEntropyOp> losses;
  getOperation().walk([&](CrossEntropyOp loss) { losses.push_back(loss); });
  for (CrossEntropyOp loss : losses)
    visit(loss);
  // There is one copy of a weight: every product that makes logits reads it, of
  // what is returned the part that is classes. FP8 products are padded anyway.
  SmallVector<MatmulOp> heads;
  getOperation().walk([&](MatmulOp product) {
    StringAttr weight = getWeight(product.getRhs());
    if (weights.contains(weight) && isHead(product, weight))
      heads.push_back(product);
  });
  for (MatmulOp product : heads) {
    int64_t last = product.getType().getRank() - 1;
    int64_t classes = product.getType().getDimSize(last);
    OpBuilder builder(product);
    PrecisionAttr precision = getPrecision(product);
    if (!precision || !precision.isFP8()) {
      int64_t dim = getClassDim(product);
      Value wide = place(product.getRhs(), dim, product);
      product.getRhsMutable().assign(cut(builder, wide, dim, classes, product));
      continue;
    }
    MatmulOp wide = widen(product);
    product.replaceAllUsesWith(cut(builder, wide, last, classes, product));
    product.erase();
  }
}
