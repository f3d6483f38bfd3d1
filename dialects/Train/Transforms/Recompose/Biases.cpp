//===- Biases.cpp - What is added to scores, which keys are hidden --------===//

#include "Train/Transforms/Recompose/Scores.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

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
    if (isPut && number <= kLowestAdded)
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
          hasPut |= isPut && number > kLowestAdded;
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
template <typename F> static void forEachScore(const Plane &plane, F f) {
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

namespace {
struct Lengths {
  Value values = {}; ///< [batch]; null if there are none
  Value keeps = {};  ///< of the rows' conditions the one that says the same
};
} // namespace

/// The numbers of keys that sequences have, if a bias hides all keys behind
/// them.
static Lengths getLengths(const Bias &bias, Parts &parts, MaskReader &masks) {
  ArrayRef<int64_t> scores = shapeOf(parts.softmax);
  Value condition = bias.value;
  bool isSeen = bias.hides && !*bias.hides;
  if (auto negation = condition.getDefiningOp<NotOp>()) {
    condition = negation.getInput();
    isSeen = !isSeen;
  }
  auto compares = condition.getDefiningOp<CompareOp>();
  if (!bias.hides || !compares ||
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
  Lengths found = {lengths};
  for (Value keeps : parts.keeps) {
    auto most = keeps.getDefiningOp<ReduceMaxOp>();
    auto convert =
        most ? most.getInput().getDefiningOp<ConvertOp>() : ConvertOp();
    if (isSeen && convert && convert.getInput() == bias.value &&
        most.getAxes() == ArrayRef<int64_t>{3})
      found.keeps = keeps;
  }
  return found;
}

/// Whether numbers are made of some that are at a bound or below, or may be;
/// those of the other sign count, too.
static bool mayBeBelow(Value numbers, double bound) {
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
                     [=](float number) { return std::abs(number) >= -bound; }))
      return true;
    llvm::append_range(open, op->getOperands());
  }
  return false;
}

// Where a query may see no key, none but its bias says what it sees instead: an
// order would keep others from it.
bool train::readBiases(Parts &parts, MaskReader &masks, std::string &why) {
  // More than that are computed when the program runs.
  constexpr size_t mostConstant = size_t(1) << 16;
  ArrayRef<int64_t> shape = shapeOf(parts.softmax);
  SmallVector<const Bias *> known;
  SmallPtrSet<const Bias *, 4> done;
  const Bias *hidesBehind = nullptr;
  Lengths lengths;
  bool mayHide = false, hasPut = false, isReplaced = false;
  int64_t low = 0; ///< biases that may have low numbers
  for (const Bias &bias : parts.biases) {
    hasPut |=
        bias.hides && std::isfinite(bias.hidden) && bias.hidden > kLowestAdded;
    if (bias.plane) {
      known.push_back(&bias);
      low += bias.hides || llvm::any_of(bias.plane->numbers, [&](float number) {
               return !(bias.scale * number > kSeen);
             });
      continue;
    }
    if (!hidesBehind && (lengths = getLengths(bias, parts, masks)).values) {
      hidesBehind = &bias;
      // What hides keys after that may show those again.
      isReplaced = llvm::any_of(parts.biases, [&](const Bias &outer) {
        return &outer < &bias && outer.hides && std::isfinite(outer.hidden);
      });
      continue;
    }
    bool isLow =
        bias.hides ||
        mayBeBelow(bias.value, kSeen / std::max(1.0, std::abs(bias.scale)));
    mayHide |= isLow;
    low += isLow;
  }
  Order order;
  auto take = [&](ArrayRef<const Bias *> biases) {
    std::optional<Order> own = getOrder(addUp(biases, shape));
    if (!own)
      return false;
    order.isCausal |= own->isCausal;
    if (!order.window || (own->window && own->window < order.window))
      order.window = own->window;
    return true;
  };
  if (hidesBehind) {
    // A sequence without keys has zeros in the whole: so should the parts; and
    // what else hides keys should leave one before the length.
    bool isInfinite = std::isinf(hidesBehind->hidden);
    bool leaves = !mayHide && llvm::all_of(known, [&](const Bias *bias) {
      std::optional<Sum> own = addUp(bias, shape);
      std::optional<Order> hides = getOrder(own);
      return hides &&
             (!hides->window ||
              (isInfinite && llvm::all_of(own->plane.numbers, [](float number) {
                 return number == 0.0f || std::isinf(number);
               })));
    });
    if (!isReplaced && (isInfinite || (leaves && lengths.keeps))) {
      parts.lengths = lengths.values;
      llvm::erase(parts.keeps, lengths.keeps);
      done.insert(hidesBehind);
    } else {
      ++low;
    }
    mayHide |= !leaves;
  }
  std::optional<Sum> sum;
  if (mayHide) {
    // What was put in a score's place is not told from what was added.
    bool isWeak = llvm::any_of(known, [](const Bias *bias) {
      return bias->hides && bias->hidden > kSwallowing;
    });
    if (isWeak || (hasPut && low > 1))
      why = "hides keys by a number that is not the lowest, and others besides";
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
    if (!sum)
      why = "adds more numbers to its scores than are looked at";
    else if (!sum->isExact)
      why = "hides all keys of a query by numbers that are not the lowest";
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

Value train::makeBias(const Parts &parts, RewriterBase &rewriter) {
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
