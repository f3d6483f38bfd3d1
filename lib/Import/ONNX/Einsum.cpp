//===- Einsum.cpp - Einstein summation ------------------------------------===//
//
// Operands are combined one after the other: labels that both have are batch
// dimensions where they are still needed and contracted where they are not.
//
//===----------------------------------------------------------------------===//

#include "Import/ONNX/Indexing.h"
#include "Import/ONNX/Operators.h"
#include "Train/IR/Train.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;

namespace fp8c {

/// A letter, or a dimension of an ellipsis counted from its end.
using Labels = SmallVector<int>;
constexpr int firstOfEllipsis = 256;

namespace {
struct Equation {
  SmallVector<Labels> operands;
  Labels result;
  llvm::MapVector<int, int64_t> sizes; ///< Of labels; dimensions of 1 repeat.
};
struct Operand {
  Value value;
  Labels labels;
};
} // namespace

//===----------------------------------------------------------------------===//
// Equations
//===----------------------------------------------------------------------===//

/// The labels of "ij...k" where the ellipsis stands for `missing` dimensions.
/// None where there is anything else in the text.
static std::optional<Labels> parseLabels(StringRef text, int64_t missing) {
  Labels labels;
  bool hasEllipsis = false;
  while (!text.empty()) {
    if (text.consume_front("...")) {
      if (hasEllipsis)
        return std::nullopt;
      hasEllipsis = true;
      for (int64_t i = missing; i-- > 0;)
        labels.push_back(firstOfEllipsis + int(i));
    } else if (llvm::isAlpha(text.front())) {
      labels.push_back(text.front());
      text = text.drop_front();
    } else {
      return std::nullopt;
    }
  }
  return labels;
}

/// Without `->` the result has the labels that occur once, in alphabetical
/// order, behind the ellipsis.
static Labels impliedResult(const Equation &equation, int64_t ellipsis) {
  llvm::SmallDenseMap<int, int> counts;
  for (const Labels &labels : equation.operands)
    for (int label : labels)
      ++counts[label];
  Labels result;
  for (int64_t i = ellipsis; i-- > 0;)
    result.push_back(firstOfEllipsis + int(i));
  for (int label = 0; label < firstOfEllipsis; ++label)
    if (counts.lookup(label) == 1)
      result.push_back(label);
  return result;
}

static bool addSizes(Equation &equation, const Labels &labels,
                     ArrayRef<int64_t> shape) {
  for (auto [label, size] : llvm::zip_equal(labels, shape)) {
    int64_t &known = equation.sizes.try_emplace(label, size).first->second;
    if (known != size && known != 1 && size != 1)
      return false;
    known = known == 1 ? size : known;
  }
  return true;
}

static std::optional<Equation> parseEquation(Node &node) {
  auto bad = [&](const Twine &message) {
    (void)node.invalid(message);
    return std::nullopt;
  };
  std::string text = node.string("equation").value_or("");
  llvm::erase(text, ' ');
  auto [left, right] = StringRef(text).split("->");
  SmallVector<StringRef> terms;
  left.split(terms, ',');
  if (terms.size() != node.numInputs())
    return bad("has an equation '" + text + "' for " + Twine(terms.size()) +
               " operands, not " + Twine(node.numInputs()));
  Equation equation;
  int64_t widest = 0;
  for (auto [i, term] : llvm::enumerate(terms)) {
    int64_t letters = llvm::count_if(term, llvm::isAlpha);
    int64_t missing = node.rank(i) - letters;
    bool hasEllipsis = term.contains("...");
    std::optional<Labels> labels = parseLabels(term, missing);
    if (!labels || missing < 0 || (missing > 0 && !hasEllipsis) ||
        !addSizes(equation, *labels, node.shape(i)))
      return bad("has a term '" + term + "' that does not fit an operand " +
                 toString(node.shape(i)));
    widest = std::max(widest, hasEllipsis ? missing : 0);
    equation.operands.push_back(*labels);
  }
  std::optional<Labels> result =
      StringRef(text).contains("->")
          ? parseLabels(right, widest)
          : std::optional<Labels>(impliedResult(equation, widest));
  if (!result)
    return bad("has a result '" + right + "' that is none");
  llvm::SmallDenseSet<int> seen;
  for (int label : *result)
    if (!equation.sizes.contains(label) || !seen.insert(label).second)
      return bad("has a result '" + right +
                 "' with a label twice or one that no operand has");
  equation.result = *result;
  return equation;
}

//===----------------------------------------------------------------------===//
// Building
//===----------------------------------------------------------------------===//

static int64_t placeOf(const Labels &labels, int label) {
  return llvm::find(labels, label) - labels.begin();
}

static Value arrange(Node &node, const Operand &operand, const Labels &order) {
  Shape permutation;
  for (int label : order)
    permutation.push_back(placeOf(operand.labels, label));
  return node.transpose(operand.value, permutation);
}

/// Without a dimension of size 1.
static void dropUnit(Node &node, Operand &operand, int64_t dim) {
  Shape shape(shapeOf(operand.value));
  shape.erase(shape.begin() + dim);
  operand.value = node.reshape(operand.value, shape);
  operand.labels.erase(operand.labels.begin() + dim);
}

/// With each label once: of a label that repeats the diagonal.
static void takeDiagonals(Node &node, Operand &operand) {
  for (int64_t i = 0; i < int64_t(operand.labels.size()); ++i) {
    int64_t again = i + 1;
    while (again < int64_t(operand.labels.size()) &&
           operand.labels[again] != operand.labels[i])
      ++again;
    if (again == int64_t(operand.labels.size()))
      continue;
    int64_t rank = operand.labels.size(), size = shapeOf(operand.value)[i];
    Value turned =
        node.transpose(operand.value, movingPermutation(rank, again, i + 1));
    Shape shape(shapeOf(turned));
    shape.erase(shape.begin() + i);
    shape[i] = size * size;
    Shape diagonal;
    for (int64_t j = 0; j < size; ++j)
      diagonal.push_back(j * (size + 1));
    operand.value = takeAlong(node, node.reshape(turned, shape), i, diagonal);
    operand.labels.erase(operand.labels.begin() + again);
    --i; // There may be a third.
  }
}

/// Sums over the dimensions whose labels nothing needs.
template <typename IsNeeded>
static void sumUnneeded(Node &node, Operand &operand, IsNeeded isNeeded) {
  Shape axes;
  Labels kept;
  for (auto [i, label] : llvm::enumerate(operand.labels)) {
    if (isNeeded(label))
      kept.push_back(label);
    else
      axes.push_back(i);
  }
  if (axes.empty())
    return;
  operand.value = node.create<train::ReduceSumOp>(operand.value, axes);
  operand.labels = kept;
}

/// The product, summed over what both have and nothing needs.
template <typename IsNeeded>
static Operand combine(Node &node, Operand a, Operand b, IsNeeded isNeeded) {
  Labels batch, contracted, freeA, freeB;
  for (int label : a.labels)
    (!llvm::is_contained(b.labels, label) ? freeA
     : isNeeded(label)                    ? batch
                                          : contracted)
        .push_back(label);
  for (int label : b.labels)
    if (!llvm::is_contained(a.labels, label))
      freeB.push_back(label);
  auto join = [](std::initializer_list<Labels> parts) {
    Labels all;
    for (const Labels &part : parts)
      all.append(part);
    return all;
  };
  Value lhs = arrange(node, a, join({batch, freeA, contracted}));
  Value rhs = arrange(node, b, join({batch, contracted, freeB}));
  ArrayRef<int64_t> left = shapeOf(lhs), right = shapeOf(rhs);
  int64_t batches = batch.size(), sums = contracted.size();
  Shape shape(left.drop_back(sums));
  llvm::append_range(shape, right.drop_front(batches + sums));
  int64_t inner = product(left.take_back(sums));
  Shape matrixA(left.take_front(batches)), matrixB(matrixA);
  matrixA.append({product(left.drop_front(batches)) / inner, inner});
  matrixB.append({inner, product(right.drop_front(batches)) / inner});
  lhs = node.reshape(lhs, matrixA);
  rhs = node.reshape(rhs, matrixB);
  Value result;
  if (contracted.empty())
    result = node.create<train::MulOp>(lhs, rhs);
  else
    result = node.create<train::MatmulOp>(lhs, rhs, Shape{batches + 1},
                                          Shape{batches}, batches);
  return {node.reshape(result, shape), join({batch, freeA, freeB})};
}

static LogicalResult importEinsum(Node &node) {
  std::optional<Equation> equation = parseEquation(node);
  if (!equation)
    return failure();
  SmallVector<Operand> operands;
  for (auto [i, labels] : llvm::enumerate(equation->operands)) {
    Operand operand{node.value(i), labels};
    takeDiagonals(node, operand);
    // What repeats along a label is as if it did not have it.
    for (int64_t dim = operand.labels.size(); dim-- > 0;)
      if (shapeOf(operand.value)[dim] == 1 &&
          equation->sizes.lookup(operand.labels[dim]) != 1)
        dropUnit(node, operand, dim);
    operands.push_back(operand);
  }
  auto neededBeyond = [&](size_t first, int label) {
    return llvm::is_contained(equation->result, label) ||
           llvm::any_of(ArrayRef(operands).drop_front(first),
                        [&](const Operand &operand) {
                          return llvm::is_contained(operand.labels, label);
                        });
  };
  Operand result = operands[0];
  sumUnneeded(node, result, [&](int label) { return neededBeyond(1, label); });
  for (size_t i = 1; i < operands.size(); ++i) {
    Operand next = operands[i];
    sumUnneeded(node, next, [&](int label) {
      return llvm::is_contained(result.labels, label) ||
             neededBeyond(i + 1, label);
    });
    result = combine(node, result, next,
                     [&](int label) { return neededBeyond(i + 1, label); });
    if (failed(checkSize(node, shapeOf(result.value))))
      return failure();
  }
  // A label of 1 that was dropped everywhere but in the result.
  return node.yield(arrange(node, result, equation->result));
}

//===----------------------------------------------------------------------===//
// Known elements
//===----------------------------------------------------------------------===//

/// Sums over all labels, for tables of angles; more waits for run time.
static LogicalResult foldEinsum(Node &node) {
  constexpr int64_t maxProducts = int64_t(1) << 24;
  for (unsigned i = 0; i < node.numInputs(); ++i)
    if (!node.constant(i)->isFloat())
      return node.unsupported("sums up integers");
  std::optional<Equation> equation = parseEquation(node);
  if (!equation)
    return failure();
  Labels labels = equation->result;
  Shape all, shape;
  for (auto [label, size] : equation->sizes)
    if (!llvm::is_contained(labels, label))
      labels.push_back(label);
  for (int label : labels)
    all.push_back(equation->sizes.lookup(label));
  shape = Shape(ArrayRef(all).take_front(equation->result.size()));
  if (countElements(all).value_or(maxProducts) >= maxProducts)
    return importEinsum(node);
  SmallVector<Constant> views;
  for (auto [i, own] : llvm::enumerate(equation->operands)) {
    Shape ownStrides = rowMajorStrides(node.shape(i)), strides(all.size(), 0);
    for (auto [dim, label] : llvm::enumerate(own))
      if (node.shape(i)[dim] != 1)
        strides[placeOf(labels, label)] += ownStrides[dim];
    views.push_back(node.constant(i)->view(all, 0, strides));
  }
  int64_t terms = product(ArrayRef(all).drop_front(shape.size()));
  std::vector<float> sums(product(shape));
  for (int64_t i = 0; i < int64_t(sums.size()); ++i) {
    double sum = 0;
    for (int64_t j = i * terms; j < (i + 1) * terms; ++j) {
      double factor = 1;
      for (const Constant &view : views)
        factor *= view.floats()[j];
      sum += factor;
    }
    sums[i] = float(sum);
  }
  return node.yield(Constant(node.type(0).clone(shape), std::move(sums)));
}

ArrayRef<Operator> einsumOperators() {
  static constexpr Operator table[] = {
      {"Einsum", 12, "Inputs:float*", importEinsum, foldEinsum},
  };
  return table;
}

} // namespace fp8c
