//===- Attention.cpp - Softmax attention ----------------------------------===//

#include "Train/IR/Masks.h"
#include "Train/Transforms/Recompose/Heads.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

/// The lowest number takes a score's place (see train.attention): what is added
/// ends above it.
static constexpr float kLowest = std::numeric_limits<float>::lowest(),
                       kLowestAdded = -3.4e38f;

/// Beside a key with a number above kSeen none with one up to kMasking counts;
/// of a score with one up to kSwallowing nothing is left.
static constexpr float kSeen = kMasking / 2;
static constexpr double kSwallowing = -1e30;

namespace {
/// What is added to scores [batch, heads, queries, keys], before they are
/// scaled further: numbers, or `hidden` where a condition is `hides`.
struct Bias {
  Value value;
  std::shared_ptr<const Plane> plane; ///< broadcasts to the scores; or unknown
  double scale;
  SmallVector<int64_t> shape; ///< of four dimensions
  std::optional<bool> hides = {};
  double hidden = 0.0;

  double at(int64_t index) const {
    double number = plane->numbers[index];
    if (hides)
      return (number > 0) == *hides ? hidden : 0.0;
    return scale * number;
  }
};

/// Which keys are hidden by their order alone.
struct Order {
  bool isCausal = false;
  int64_t window = 0; ///< keys that a query sees up to its own; 0: all
};

/// softmax(cap(scale * q k^T) + biases) v
struct Parts {
  MatmulOp output;
  SoftmaxOp softmax = {};
  MatmulOp scores = {};
  double scale = 1.0, softcap = 0.0;
  SmallVector<Bias> biases = {}; ///< but for what is in the following
  Order order = {};
  std::optional<Plane> known = {}; ///< of rank 4
  Value lengths = {};              ///< [batch]
  /// Conditions of which each keeps some rows of the output; others are 0.
  SmallVector<Value> keeps = {};
  std::optional<Heads> query = {}, key = {}, value = {};
};
} // namespace

/// Is it the shape of the scores [batch, heads, queries, keys], or with batch
/// and heads in one?
static bool isOfScores(ArrayRef<int64_t> shape, ArrayRef<int64_t> scores) {
  return shape == scores ||
         (shape.size() == 3 && shape[0] == scores[0] * scores[1] &&
          shape.take_back(2) == scores.take_back(2));
}

/// Whether it is a product of matrices, or one with something done to it that
/// is done to scores.
static bool comesFromProduct(Value value) {
  SmallVector<Value> open = {value};
  SmallPtrSet<Value, 16> seen;
  while (!open.empty()) {
    value = open.pop_back_val();
    Operation *op = value.getDefiningOp();
    if (!op || !seen.insert(value).second)
      continue;
    if (isa<MatmulOp>(op))
      return true;
    if (isa<AddOp, SelectOp>(op))
      llvm::append_range(open, op->getOperands());
    else if (std::optional<Scaled> scaled = getScaled(value))
      open.push_back(scaled->value);
    else if (isa<ReshapeOp, TanhOp>(op))
      open.push_back(op->getOperand(0));
  }
  return false;
}

/// The shape of what is added to scores `of`, with batch and heads apart; empty
/// if it does not broadcast to them.
static SmallVector<int64_t> getBiasShape(Value bias, Value of,
                                         ArrayRef<int64_t> scores) {
  ArrayRef<int64_t> own = shapeOf(bias);
  SmallVector<int64_t> shape(own);
  if (shape.size() > shapeOf(of).size())
    return {};
  if (shapeOf(of).size() == 3 && own.size() == 3 && own[0] != 1)
    shape.insert(shape.begin() + 1, scores[1]), shape[0] /= scores[1];
  shape.insert(shape.begin(), 4 - shape.size(), 1);
  return shape;
}

/// Takes an op off the scores that adds to them or hides keys; false if it is
/// neither.
static bool takeBias(Operation *op, MaskReader &masks, Parts &parts,
                     Value &scores) {
  Value rest;
  Bias bias = {{}, nullptr, parts.scale, {}};
  if (isa<AddOp>(op)) {
    for (unsigned i = 0; i < 2 && !rest; ++i)
      if (op->getOperand(i).getType() == op->getResult(0).getType() &&
          comesFromProduct(op->getOperand(i))) {
        rest = op->getOperand(i);
        bias.value = op->getOperand(1 - i);
      }
  } else if (auto select = dyn_cast<SelectOp>(op)) {
    for (bool hides : {true, false}) {
      Value hidden = hides ? select.getPositive() : select.getOtherwise();
      std::optional<double> number = getNumber(hidden);
      if (!number || !(*number * parts.scale <= kMasking))
        continue;
      rest = hides ? select.getOtherwise() : select.getPositive();
      bias.value = select.getCondition();
      bias.hides = hides;
      bias.hidden = *number * parts.scale;
      break;
    }
  }
  if (!rest || rest.getType() != op->getResult(0).getType())
    return false;
  bias.shape = getBiasShape(bias.value, rest, shapeOf(parts.softmax));
  if (bias.shape.empty() ||
      (!bias.hides && !getElementTypeOrSelf(bias.value).isF32()))
    return false;
  bias.plane = masks.read(bias.value);
  if (bias.hides && !bias.plane && bias.hidden > kSwallowing)
    return false;
  parts.biases.push_back(std::move(bias));
  scores = rest;
  return true;
}

/// From the softmax back to the product of queries and keys.
static bool readScores(Parts &parts, MaskReader &masks, std::string &why) {
  Value scores = parts.softmax.getInput();
  while (true) {
    Operation *op = scores.getDefiningOp();
    if (!op)
      return false;
    if (!isOfScores(shapeOf(scores), shapeOf(parts.softmax)))
      return false;
    if (auto product = dyn_cast<MatmulOp>(op)) {
      parts.scores = product;
      if (parts.softcap != 0.0)
        parts.scale *= parts.softcap;
      return true;
    }
    if (auto reshape = dyn_cast<ReshapeOp>(op)) {
      scores = reshape.getInput();
    } else if (std::optional<Scaled> scaled = getScaled(scores)) {
      parts.scale *= scaled->factor;
      scores = scaled->value;
      if (!std::isfinite(parts.scale))
        return false;
    } else if (isa<TanhOp>(op)) {
      if (parts.softcap != 0.0 || !(parts.scale > 0.0)) {
        why = "caps its scores twice, or at no positive number";
        return false;
      }
      parts.softcap = std::exchange(parts.scale, 1.0);
      scores = op->getOperand(0);
    } else if (parts.softcap != 0.0 || !takeBias(op, masks, parts, scores)) {
      if (isa<AddOp, SelectOp>(op))
        why = parts.softcap != 0.0 ? "adds to its scores before it caps them"
                                   : "adds to its scores what is no f32, or "
                                     "hides keys by a number that is not low";
      return false;
    }
  }
}

/// A plane's strides for scores [batch, heads, queries, keys].
static std::array<int64_t, 4> getStrides(const Plane &plane,
                                         ArrayRef<int64_t> scores) {
  std::array<int64_t, 4> strides = {};
  size_t rank = plane.shape.size();
  for (size_t i = 0; i < rank; ++i)
    strides[4 - rank + i] = plane.strides[i];
  // Where batch and heads were one dimension.
  if (rank == 3 && plane.shape[0] != 1 && plane.shape[0] != scores[1]) {
    strides[0] = plane.strides[0] * scores[1];
    strides[1] = plane.strides[0];
  }
  return strides;
}

namespace {
struct Sum {
  Plane plane; ///< of rank 4
  /// Whether it does in rows without visible keys what the parts do: those have
  /// scores only where nothing was put in their place.
  bool isExact = true;
};
} // namespace

/// What known biases add up to, one after the other, with batch and heads
/// apart; if that is not too much to look at. The outermost one is the first.
static std::optional<Sum> addUp(ArrayRef<const Bias *> biases,
                                ArrayRef<int64_t> shape) {
  Sum sum;
  sum.plane.shape = llvm::to_vector(shape);
  SmallVector<std::array<int64_t, 4>> strides;
  std::array<int64_t, 4> sizes = {1, 1, 1, 1};
  for (const Bias *bias : biases) {
    strides.push_back(getStrides(*bias->plane, shape));
    for (size_t i = 0; i < 4; ++i)
      if (strides.back()[i])
        sizes[i] = shape[i];
  }
  if (double(sizes[0]) * sizes[1] * sizes[2] * sizes[3] > kMostNumbers)
    return std::nullopt;
  auto numberAt = [&](int64_t b, int64_t h, int64_t t, int64_t s,
                      bool &isPut) -> float {
    double number = 0.0;
    for (size_t i = biases.size(); i-- > 0;) {
      const std::array<int64_t, 4> &by = strides[i];
      double own = biases[i]->at(b * by[0] + h * by[1] + t * by[2] + s * by[3]);
      bool isHidden = biases[i]->hides && own != 0.0;
      isPut |= isHidden;
      number = isHidden ? own : number + own;
    }
    if (number < kLowest)
      return -std::numeric_limits<float>::infinity();
    if (isPut && number <= kSwallowing)
      return kLowest;
    return std::max<float>(static_cast<float>(number), kLowestAdded);
  };
  for (int64_t b = 0; b < sizes[0]; ++b)
    for (int64_t h = 0; h < sizes[1]; ++h)
      for (int64_t t = 0; t < sizes[2]; ++t) {
        bool isSeen = false, hasPut = false;
        for (int64_t s = 0; s < sizes[3]; ++s) {
          bool isPut = false;
          float number = numberAt(b, h, t, s, isPut);
          sum.plane.numbers.push_back(number);
          isSeen |= number > kSeen;
          hasPut |= isPut && number > kSwallowing;
        }
        sum.isExact &= isSeen || !hasPut;
      }
  sum.plane.strides.resize(4);
  int64_t step = 1;
  for (size_t i = 4; i-- > 0; step *= sizes[i])
    sum.plane.strides[i] = sizes[i] > 1 ? step : 0;
  dropRepeated(sum.plane);
  return sum;
}

/// Calls f(t, s, number) for all of a plane's numbers, once for those that are
/// repeated for heads or sequences.
template <typename Numbers, typename F>
static void forEachScore(Numbers &plane, F f) {
  ArrayRef<int64_t> shape = plane.shape, by = plane.strides;
  for (int64_t b = 0; b < (by[0] ? shape[0] : 1); ++b)
    for (int64_t h = 0; h < (by[1] ? shape[1] : 1); ++h)
      for (int64_t t = 0; t < shape[2]; ++t)
        for (int64_t s = 0; s < shape[3]; ++s)
          f(t, s, plane.numbers[b * by[0] + h * by[1] + t * by[2] + s * by[3]]);
}

/// The order that is all that a sum says, if it is, and every query sees a key.
static std::optional<Order> getOrder(const std::optional<Sum> &sum) {
  if (!sum)
    return std::nullopt;
  const Plane &plane = sum->plane;
  int64_t queries = plane.shape[2], keys = plane.shape[3];
  auto numberAt = [&](int64_t t, int64_t s) {
    return plane.numbers[t * plane.strides[2] + s * plane.strides[3]];
  };
  // What the order would be, by the first query and by the last.
  int64_t last = queries - 1, unseen = 0;
  while (unseen < std::min(last, keys) && numberAt(last, unseen) != 0.0f)
    ++unseen;
  Order order = {keys > 1 && numberAt(0, 1) != 0.0f,
                 unseen ? last - unseen + 1 : 0};
  bool isAll = unseen < keys && (!order.window || order.isCausal);
  forEachScore(plane, [&](int64_t t, int64_t s, float number) {
    bool isHidden =
        (order.isCausal && s > t) || (order.window && s <= t - order.window);
    isAll &= isHidden ? number <= kMasking : number == 0.0f;
  });
  return isAll ? std::optional(order) : std::nullopt;
}

/// Whether numbers leave every query a key that an order does not hide.
static bool leavesAKey(const Plane &plane, const Order &order) {
  bool isLeft = true, isSeen = true;
  forEachScore(plane, [&](int64_t t, int64_t s, float number) {
    if (s == 0)
      isLeft &= std::exchange(isSeen, false);
    isSeen |= number > kSeen && !(order.isCausal && s > t) &&
              !(order.window && s <= t - order.window);
  });
  return isLeft && isSeen;
}

/// Takes the causal order out of a plane that hides all keys behind a query
/// and others only where some are left.
static bool takeCausal(Plane &plane) {
  int64_t queries = plane.shape[2], keys = plane.shape[3];
  bool isCausal = keys > 1;
  forEachScore(plane, [&](int64_t t, int64_t s, float number) {
    isCausal &= s <= t || number <= kMasking;
  });
  if (!isCausal || !leavesAKey(plane, {/*isCausal=*/true}))
    return false;
  if (!plane.strides[2] || !plane.strides[3])
    return true;
  // Those numbers do not matter any more: maybe queries differ in no others.
  Plane rest = plane;
  for (size_t at = 0; at < rest.numbers.size(); at += queries * keys)
    for (int64_t t = 0; t + 1 < queries; ++t)
      for (int64_t s = t + 1; s < keys; ++s)
        rest.numbers[at + t * keys + s] =
            rest.numbers[at + std::min(s, queries - 1) * keys + s];
  dropRepeated(rest);
  if (!rest.strides[2])
    plane = std::move(rest);
  return true;
}

/// The numbers of keys [batch] that sequences have, if a bias hides all keys
/// behind them.
static Value getLengths(const Bias &bias, Parts &parts, MaskReader &masks) {
  ArrayRef<int64_t> scores = shapeOf(parts.softmax);
  Value condition = bias.value;
  bool isSeen = bias.hides && !*bias.hides;
  if (auto negation = condition.getDefiningOp<NotOp>()) {
    condition = negation.getInput();
    isSeen = !isSeen;
  }
  auto compares = condition.getDefiningOp<CompareOp>();
  // Where no key is seen, the whole has zeros: so should the parts.
  bool isCleared = !parts.keeps.empty() || std::isinf(bias.hidden);
  if (!bias.hides || !compares || !isCleared ||
      bias.shape != SmallVector<int64_t>{scores[0], 1, 1, scores[3]})
    return {};
  // key < length where it is seen, or length <= key where it is not.
  Predicate predicate = compares.getPredicate();
  bool isKeyFirst = predicate == (isSeen ? Predicate::lt : Predicate::ge);
  if (!isKeyFirst && predicate != (isSeen ? Predicate::gt : Predicate::le))
    return {};
  Value keys = isKeyFirst ? compares.getLhs() : compares.getRhs(),
        lengths = isKeyFirst ? compares.getRhs() : compares.getLhs();
  std::shared_ptr<const Plane> numbers = masks.read(keys);
  if (!numbers || numbers->shape.empty() ||
      static_cast<int64_t>(numbers->numbers.size()) != scores[3] ||
      numbers->shape.back() != scores[3])
    return {};
  for (int64_t key = 0; key < scores[3]; ++key)
    if (numbers->numbers[key] != static_cast<float>(key))
      return {};
  if (auto reshape = lengths.getDefiningOp<ReshapeOp>())
    lengths = reshape.getInput();
  if (shapeOf(lengths) != scores.take_front() ||
      !getElementTypeOrSelf(lengths).isInteger(64))
    return {};
  // Rows that see none of these keys are 0 anyway.
  llvm::erase_if(parts.keeps, [&](Value keeps) {
    while (Operation *op = keeps.getDefiningOp()) {
      if (!isa<ReduceMaxOp, ConvertOp>(op))
        break;
      keeps = op->getOperand(0);
    }
    return isSeen && keeps == bias.value;
  });
  return lengths;
}

/// Whether numbers are made of some that are below a bound, or may be.
static bool mayBeBelow(Value numbers, float bound) {
  SmallVector<Value> open = {numbers};
  SmallPtrSet<Value, 16> seen;
  while (!open.empty()) {
    Value value = open.pop_back_val();
    if (!seen.insert(value).second)
      continue;
    Operation *op = value.getDefiningOp();
    if (!op && isFloat(value))
      return true;
    if (!op || isa<ReadOp>(op))
      continue;
    if (DenseElementsAttr elements = getConstant(value);
        elements && elements.getElementType().isF32() &&
        llvm::any_of(elements.getValues<float>(),
                     [=](float number) { return number < bound; }))
      return true;
    llvm::append_range(open, op->getOperands());
  }
  return false;
}

/// Finds out what biases say that has words of its own. Where a query may see
/// no key, none but its bias says what it sees instead: an order would keep
/// others from it.
static bool readBiases(Parts &parts, MaskReader &masks, std::string &why) {
  // More than that are computed when the program runs.
  constexpr size_t mostConstant = size_t(1) << 16;
  ArrayRef<int64_t> shape = shapeOf(parts.softmax);
  SmallVector<const Bias *> known;
  SmallPtrSet<const Bias *, 4> done;
  bool mayHide = false;
  for (const Bias &bias : parts.biases) {
    if (bias.plane)
      known.push_back(&bias);
    else if (!parts.lengths && (parts.lengths = getLengths(bias, parts, masks)))
      done.insert(&bias);
    else
      mayHide |= bias.hides || mayBeBelow(bias.value, kMasking);
  }
  Order order;
  auto take = [&](ArrayRef<const Bias *> biases) {
    std::optional<Sum> sum = addUp(biases, shape);
    std::optional<Order> own = getOrder(sum);
    // Of a window that ends before the length nothing may be seen.
    if (!own || (own->window && parts.lengths &&
                 llvm::any_of(sum->plane.numbers, [](float number) {
                   return number < 0.0f && std::isfinite(number);
                 })))
      return false;
    order.isCausal |= own->isCausal;
    if (!order.window || (own->window && own->window < order.window))
      order.window = own->window;
    return true;
  };
  std::optional<Sum> sum;
  if (mayHide) {
    for (const Bias *bias : known)
      if (bias->hides && bias->hidden > kSwallowing)
        why = "hides keys by a number that is not low, and others besides";
  } else if (take(known)) {
    done.insert(known.begin(), known.end());
  } else {
    SmallVector<const Bias *> rest;
    for (const Bias *bias : known)
      if (!take(bias))
        rest.push_back(bias);
    sum = addUp(rest, shape);
    if (!sum || !leavesAKey(sum->plane, order)) {
      order = {};
      rest = known;
      sum = addUp(rest, shape);
    }
    if (sum && !order.isCausal)
      order.isCausal = takeCausal(sum->plane);
    if (!sum || !sum->isExact)
      why = "hides all keys of a query by numbers that are not low";
    // What is in the order or in the sum.
    bool isConstant = sum && sum->plane.numbers.size() <= mostConstant;
    for (const Bias *bias : known)
      if (isConstant || !llvm::is_contained(rest, bias))
        done.insert(bias);
    if (!isConstant)
      sum.reset();
  }
  parts.order = order;
  // The same for all keys does nothing, unless it swallows the scores.
  if (sum && (sum->plane.strides[3] ||
              llvm::any_of(sum->plane.numbers, [](float number) {
                return !(std::abs(number) < -kMasking);
              })))
    parts.known = std::move(sum->plane);
  SmallVector<Bias> rest;
  for (const Bias &bias : parts.biases)
    if (!done.contains(&bias))
      rest.push_back(bias);
  parts.biases = std::move(rest);
  return why.empty();
}

/// The probabilities of which a condition chooses rows, the others being 0,
/// and that condition; null where it only says that no row is NaN or blind,
/// which the whole does not need.
static Value getUncleared(SelectOp select, MaskReader &masks,
                          SmallVector<Value> &keeps) {
  Value positive = select.getPositive(), otherwise = select.getOtherwise();
  auto compares = select.getCondition().getDefiningOp<CompareOp>();
  if (compares && compares.getLhs() == compares.getRhs()) {
    bool isNaN = compares.getPredicate() == Predicate::ne;
    if (!isNaN && compares.getPredicate() != Predicate::eq)
      return {};
    Value kept = isNaN ? otherwise : positive;
    return getNumber(isNaN ? positive : otherwise) == 0.0 &&
                   compares.getLhs() == kept
               ? kept
               : Value();
  }
  ArrayRef<int64_t> shape = shapeOf(select.getCondition());
  if (getNumber(otherwise) != 0.0 || shapeOf(select).size() != 4 ||
      (!shape.empty() && shape.back() != 1))
    return {};
  std::shared_ptr<const Plane> sees = masks.read(select.getCondition());
  bool hasBlind = !sees || llvm::any_of(sees->numbers, [](float number) {
    return !(number > 0);
  });
  if (hasBlind)
    keeps.push_back(select.getCondition());
  return positive;
}

/// The softmax that an operand is, but for rows that see no key.
static SoftmaxOp getSoftmax(Value probabilities, MaskReader &masks,
                            SmallVector<Value> &keeps) {
  if (auto reshape = probabilities.getDefiningOp<ReshapeOp>();
      reshape && shapeOf(reshape.getInput()).size() == 4 &&
      isOfScores(shapeOf(reshape), shapeOf(reshape.getInput())))
    probabilities = reshape.getInput();
  while (auto select = probabilities.getDefiningOp<SelectOp>()) {
    Value kept = getUncleared(select, masks, keeps);
    if (!kept || kept.getType() != select.getType())
      break;
    probabilities = kept;
  }
  return probabilities.getDefiningOp<SoftmaxOp>();
}

/// What the dimensions of an operand of a product count: batch and heads, then
/// tokens and features, of which one is contracted.
static SmallVector<Factors> getDims(Value operand, int64_t batch, int64_t heads,
                                    int64_t featureDim) {
  ArrayRef<int64_t> shape = shapeOf(operand);
  auto rank = static_cast<int64_t>(shape.size());
  SmallVector<Factors> dims;
  if (rank == 4)
    dims = {{{Axis::batch, batch}}, {{Axis::head, heads}}};
  else
    dims = {{{Axis::batch, batch}, {Axis::head, heads}}};
  for (int64_t dim = rank - 2; dim < rank; ++dim)
    dims.push_back(
        {{dim == featureDim ? Axis::feature : Axis::token, shape[dim]}});
  return dims;
}

/// Where queries, keys and values come from.
static bool readHeads(Parts &parts, std::string &why) {
  MatmulOp scores = parts.scores, output = parts.output;
  ArrayRef<int64_t> shape = shapeOf(parts.softmax);
  auto rank = static_cast<int64_t>(shapeOf(output.getRhs()).size());
  auto read = [&](Value operand, int64_t featureDim, bool scales) {
    Heads heads(operand, getDims(operand, shape[0], shape[1], featureDim));
    heads.goBack(scales);
    return heads;
  };
  parts.query = read(scores.getLhs(), scores.getLhsContractingDims().front(),
                     /*scales=*/true);
  parts.key = read(scores.getRhs(), scores.getRhsContractingDims().front(),
                   /*scales=*/true);
  parts.value = read(output.getRhs(),
                     2 * rank - 3 - output.getRhsContractingDims().front(),
                     /*scales=*/false);
  if (parts.query->countHeads() != shape[1] ||
      parts.key->countHeads() != parts.value->countHeads())
    why = "has keys and values of other numbers of heads";
  else if (shapeOf(output).back() !=
           shapeOf(scores.getLhs())[scores.getLhsContractingDims().front()])
    why = "has heads of values of another width than those of keys";
  return why.empty();
}

/// The attention that a product makes; else why it only looks like one.
static std::optional<Parts> matchAttention(Operation *op, MaskReader &masks,
                                           std::string &why) {
  auto output = dyn_cast<MatmulOp>(op);
  if (!output)
    return std::nullopt;
  Parts parts = {output};
  parts.softmax = getSoftmax(output.getLhs(), masks, parts.keeps);
  auto rank = static_cast<int64_t>(shapeOf(output.getLhs()).size());
  if (!parts.softmax || rank > 4 ||
      output.getBatch() + 2 != static_cast<uint64_t>(rank) ||
      output.getLhsContractingDims() != SmallVector<int64_t>{rank - 1})
    return std::nullopt;
  if (shapeOf(parts.softmax).size() == 3)
    why = "attention stays in parts: it does not tell heads from sequences";
  if (shapeOf(parts.softmax).size() != 4 ||
      llvm::is_contained(shapeOf(parts.softmax), 0) ||
      llvm::is_contained(shapeOf(output.getRhs()), 0))
    return std::nullopt;
  auto leave = [&] {
    if (!why.empty())
      why = "attention stays in parts: it " + why;
    return std::nullopt;
  };
  if (!readScores(parts, masks, why))
    return leave();
  MatmulOp scores = parts.scores;
  auto hasRank = [](Value operand, uint64_t batch) {
    return shapeOf(operand).size() == batch + 2;
  };
  Type element = getElementTypeOrSelf(output.getType());
  auto isOfType = [&](Value value) {
    return getElementTypeOrSelf(value) == element;
  };
  if (!hasRank(scores, scores.getBatch()) ||
      !hasRank(scores.getLhs(), scores.getBatch()) ||
      !hasRank(scores.getRhs(), scores.getBatch()) ||
      !hasRank(output.getRhs(), output.getBatch()) ||
      scores.getLhsContractingDims().size() != 1 ||
      !llvm::all_of(scores->getOperands(), isOfType) ||
      !llvm::all_of(output->getOperands(), isOfType) || !isOfType(scores) ||
      !isOfType(parts.softmax.getInput()))
    return std::nullopt;
  if (!readHeads(parts, why) || !readBiases(parts, masks, why))
    return leave();
  return parts;
}

std::string train::explainAttention(Operation *op, MaskReader &masks) {
  std::string why;
  matchAttention(op, masks, why);
  return why;
}

/// Rounded as ours is, where it is the usual one.
static float roundScale(double scale, int64_t features) {
  double usual = 1.0 / std::sqrt(static_cast<double>(features));
  return static_cast<float>(isAbout(scale, usual) ? usual : scale);
}

/// What is added to scores, as one value, or null.
static Value makeBias(const Parts &parts, RewriterBase &rewriter) {
  MatmulOp op = parts.output;
  Type f32 = rewriter.getF32Type(), i1 = rewriter.getI1Type();
  auto scalar = [&](float number) {
    return scalarConstant(rewriter, op.getLoc(), number);
  };
  auto apart = [&](const Bias &bias, Type element) -> Value {
    auto type = RankedTensorType::get(bias.shape, element);
    if (bias.value.getType() == type)
      return bias.value;
    return createFor<ReshapeOp>(rewriter, op, type, bias.value);
  };
  Value sum;
  if (parts.known) {
    SmallVector<int64_t> shape;
    for (auto [size, stride] :
         llvm::zip(parts.known->shape, parts.known->strides))
      shape.push_back(stride ? size : 1);
    sum = createFor<arith::ConstantOp>(
        rewriter, op,
        DenseElementsAttr::get(RankedTensorType::get(shape, f32),
                               ArrayRef(parts.known->numbers)));
  }
  // In the order of the parts: a key that is hidden after a number was added to
  // its score has the lowest one, not one that is lower.
  for (const Bias &bias : llvm::reverse(parts.biases)) {
    if (!bias.hides) {
      Value numbers = apart(bias, f32);
      if (bias.scale != 1.0)
        numbers = createFor<MulOp>(rewriter, op, numbers,
                                   scalar(static_cast<float>(bias.scale)));
      if (mayBeBelow(numbers, kLowestAdded)) {
        Value isLowest = createFor<CompareOp>(rewriter, op, Predicate::eq,
                                              numbers, scalar(kLowest));
        numbers = createFor<SelectOp>(rewriter, op, isLowest,
                                      scalar(kLowestAdded), numbers);
      }
      sum = sum ? createFor<AddOp>(rewriter, op, sum, numbers) : numbers;
      continue;
    }
    Value hidden =
        scalar(std::isinf(bias.hidden) ? -std::numeric_limits<float>::infinity()
                                       : kLowest);
    if (!sum)
      sum = scalar(0.0f);
    sum = createFor<SelectOp>(rewriter, op, apart(bias, i1),
                              *bias.hides ? hidden : sum,
                              *bias.hides ? sum : hidden);
  }
  return sum;
}

/// Puts the op in the place of the product that makes its value.
static void rewrite(Parts &parts, RewriterBase &rewriter) {
  MatmulOp op = parts.output;
  rewriter.setInsertionPoint(op);
  Value bias = makeBias(parts, rewriter);
  ArrayRef<int64_t> shape = shapeOf(parts.softmax);
  int64_t batch = shape[0], heads = shape[1], tokens = shape[2];
  Value query = parts.query->merge(rewriter, op),
        key = parts.key->merge(rewriter, op),
        value = parts.value->merge(rewriter, op);
  auto type = cast<RankedTensorType>(query.getType());
  double scale = parts.scale * parts.query->getScale() * parts.key->getScale();
  auto attention = createWhole<AttentionOp>(
      rewriter, op,
      TypeRange{
          type.clone({batch, tokens, heads * shapeOf(op).back()}),
          RankedTensorType::get({batch, heads, tokens}, rewriter.getF32Type())},
      query, key, value, bias, parts.lengths, heads, parts.key->countHeads(),
      llvm::APFloat(roundScale(scale, shapeOf(query).back() / heads)),
      parts.order.isCausal,
      parts.order.window ? rewriter.getI64IntegerAttr(parts.order.window)
                         : IntegerAttr(),
      parts.softcap != 0.0 ? rewriter.getF32FloatAttr(float(parts.softcap))
                           : FloatAttr());
  Value output = splitHeads(rewriter, op, attention.getOutput(), heads);
  for (Value keeps : parts.keeps)
    output = createFor<SelectOp>(rewriter, op, output.getType(), keeps, output,
                                 scalarConstant(rewriter, op.getLoc(), 0.0f));
  if (output.getType() != op.getType())
    output = createFor<ReshapeOp>(rewriter, op, op.getType(), output);
  rewriter.replaceOp(op, output);
}

void train::recomposeAttention(Block &block, MaskReader &masks) {
  std::vector<Parts> found;
  for (auto product : block.getOps<MatmulOp>()) {
    std::string why;
    if (std::optional<Parts> parts = matchAttention(product, masks, why))
      found.push_back(std::move(*parts));
  }
  // What is found may be made by what was found before.
  IRRewriter rewriter(block.getParentOp()->getContext());
  for (Parts &parts : llvm::reverse(found))
    rewrite(parts, rewriter);
  masks.forget();
}

namespace {
/// Attention of an exporter's that was given repeated keys and values, or
/// scaled queries.
struct SimplifyAttention : OpRewritePattern<AttentionOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(AttentionOp op,
                                PatternRewriter &rewriter) const override {
    auto read = [&](Value operand, int64_t heads, bool scales) {
      ArrayRef<int64_t> shape = shapeOf(operand);
      Heads read(operand,
                 {{{Axis::batch, shape[0]}},
                  {{Axis::token, shape[1]}},
                  {{Axis::head, heads}, {Axis::feature, shape[2] / heads}}});
      read.goBack(scales);
      return read;
    };
    auto heads = static_cast<int64_t>(op.getHeads()),
         kvHeads = static_cast<int64_t>(op.getKvHeads());
    Heads query = read(op.getQuery(), heads, /*scales=*/true),
          key = read(op.getKey(), kvHeads, /*scales=*/true),
          value = read(op.getValue(), kvHeads, /*scales=*/false);
    double scale = query.getScale() * key.getScale();
    if (query.countHeads() != heads || key.countHeads() != value.countHeads() ||
        (scale == 1.0 && key.countHeads() == kvHeads))
      return failure();
    Value q = query.merge(rewriter, op), k = key.merge(rewriter, op),
          v = value.merge(rewriter, op);
    rewriter.modifyOpInPlace(op, [&] {
      op.getQueryMutable().assign(q);
      op.getKeyMutable().assign(k);
      op.getValueMutable().assign(v);
      op.setKvHeads(key.countHeads());
      op.setScale(
          llvm::APFloat(roundScale(op.getScale().convertToDouble() * scale,
                                   shapeOf(op.getQuery()).back() / heads)));
    });
    return success();
  }
};
} // namespace

void train::addAttentionPatterns(RewritePatternSet &patterns) {
  patterns.add<SimplifyAttention>(patterns.getContext());
}
