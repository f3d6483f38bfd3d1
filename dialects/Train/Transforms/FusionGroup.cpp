//===- FusionGroup.cpp - Ops that become one kernel -----------------------===//

#include "Train/Transforms/FusionGroup.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

Value train::behindBarriers(Value value) {
  while (auto barrier = value.getDefiningOp<BarrierOp>())
    value = barrier.getInput();
  return value;
}

bool train::reduces(Operation *op) {
  return isa<DecomposableOpInterface, ReduceSumOp, ReduceMaxOp>(op) &&
         !isa<AdamWOp, LayerNormApplyOp, RMSNormApplyOp>(op);
}

//===----------------------------------------------------------------------===//
// What a kernel costs
//===----------------------------------------------------------------------===//

/// Instructions for an element in one pass, by and large.
static int64_t getInstructions(Operation *op) {
  return TypeSwitch<Operation *, int64_t>(op)
      .Case<GeluVJPOp>([](auto) { return 45; })
      .Case<PowOp, SinOp, CosOp>([](auto) { return 40; })
      .Case<GeluOp, ErfOp>([](auto) { return 30; })
      .Case<TanhOp, SigmoidOp>([](auto) { return 12; })
      .Case<ExpOp, LogOp>([](auto) { return 8; })
      .Default([](Operation *op) { return reduces(op) ? 10 : 1; });
}

/// Passes over a row that must be done before its results are known: of a mean
/// and of what is about it.
static int64_t getPasses(Operation *op) {
  return !reduces(op) ? 0 : isa<DecomposableOpInterface>(op) ? 2 : 1;
}

static int64_t getBytes(Value value) {
  Type element = getElementTypeOrSelf(value.getType());
  if (auto scaled = dyn_cast<fp8::ScaledType>(value.getType()))
    element = scaled.getStorage();
  else if (isa<fp8::ScaleType>(element))
    element = Float32Type::get(value.getContext()); // of the two it needs one
  return element.isIntOrFloat()
             ? ShapedType::getNumElements(fp8::getShape(value.getType())) *
                   llvm::divideCeil(element.getIntOrFloatBitWidth(), 8)
             : 0;
}

int64_t train::getBytes(ArrayRef<Operation *> ops) {
  llvm::SmallDenseSet<Operation *, 16> members(ops.begin(), ops.end());
  SmallPtrSet<Value, 16> inputs;
  int64_t bytes = 0;
  for (Operation *op : ops) {
    for (Value operand : op->getOperands()) {
      operand = behindBarriers(operand);
      if (!members.contains(operand.getDefiningOp()) &&
          inputs.insert(operand).second)
        bytes += ::getBytes(operand);
    }
    for (Value result : op->getResults())
      if (llvm::any_of(result.getUsers(), [&](Operation *user) {
            return !members.contains(user);
          }))
        bytes += ::getBytes(result);
  }
  return bytes;
}

FusionGroup::FusionGroup(Operation *op, Skeleton skeleton,
                         ArrayRef<int64_t> shape, unsigned order)
    : skeleton(skeleton), shape(shape), ops({op}), order(order),
      bytes(train::getBytes(op)), instructions(getInstructions(op)),
      passes(getPasses(op)), transposes(isa<fp8::TransposeOp>(op)),
      reducing(reduces(op)) {
  for (Value operand : op->getOperands()) {
    Value source = behindBarriers(operand);
    inputs.insert(source);
    if (source != operand)
      throughBarriers.insert(source);
  }
}

/// Bytes that two kernels move and one of both does not: what both read, and
/// what one alone reads of the other. Goes over the smaller one.
int64_t FusionGroups::getSavedBytes(const FusionGroup &a,
                                    const FusionGroup &b) const {
  bool aIsLarge = a.ops.size() > b.ops.size();
  const FusionGroup &small = aIsLarge ? b : a, &large = aIsLarge ? a : b;
  auto isIn = [&](Operation *op, const FusionGroup &group) {
    return op && lookup(op) == &group;
  };
  // What others read is stored all the same.
  auto staysInside = [&](Value value) {
    return llvm::all_of(value.getUsers(), [&](Operation *user) {
      return isIn(user, small) || isIn(user, large);
    });
  };
  int64_t saved = 0;
  for (Value input : small.inputs)
    if (large.inputs.contains(input) || isIn(input.getDefiningOp(), large))
      saved += ::getBytes(input);
  llvm::SmallDenseSet<Value, 8> ofLarge;
  for (Operation *op : small.ops) {
    for (Value result : op->getResults()) {
      if (large.inputs.contains(result))
        saved += ::getBytes(result);
      if (llvm::any_of(result.getUsers(),
                       [&](Operation *user) { return isIn(user, large); }) &&
          staysInside(result))
        saved += ::getBytes(result);
    }
    for (Value operand : op->getOperands())
      if (isIn(operand.getDefiningOp(), large) &&
          ofLarge.insert(operand).second && staysInside(operand))
        saved += ::getBytes(operand);
  }
  return saved;
}

/// The time of one kernel over `elements`, in instructions: it waits for its
/// bytes or for arithmetic. What comes before a reduction over a row is
/// computed anew in each pass.
int64_t FusionGroups::getTime(int64_t bytes, int64_t instructions,
                              int64_t passes, int64_t elements) const {
  return std::max(bytes * instructionsPerByte,
                  instructions * (1 + passes) * elements);
}

bool FusionGroups::isWorthIt(const FusionGroup &a, const FusionGroup &b) const {
  int64_t elements = ShapedType::getNumElements(a.shape);
  auto timeOf = [&](const FusionGroup &group) {
    return getTime(group.bytes, group.instructions, group.passes, elements);
  };
  return getTime(a.bytes + b.bytes - getSavedBytes(a, b),
                 a.instructions + b.instructions, a.passes + b.passes,
                 elements) <= timeOf(a) + timeOf(b);
}

bool train::readsAllOf(const FusionGroup &group, const FusionGroup &other) {
  // What is read through a barrier is in memory, whoever computed it.
  return llvm::all_of(group.inputs,
                      [&](Value input) {
                        return !isa<RankedTensorType, fp8::ScaledType>(
                                   input.getType()) ||
                               fp8::getShape(input.getType()) !=
                                   ArrayRef(group.shape) ||
                               other.inputs.contains(input) ||
                               other.throughBarriers.contains(input);
                      }) &&
         llvm::all_of(group.throughBarriers, [&](Value input) {
           return fp8::getShape(input.getType()) != ArrayRef(group.shape) ||
                  other.inputs.contains(input) ||
                  other.throughBarriers.contains(input);
         });
}

//===----------------------------------------------------------------------===//
// Membership
//===----------------------------------------------------------------------===//

FusionGroup *FusionGroups::find(FusionGroup *group) {
  while (group && group->mergedInto) {
    // Shorter ways for those who come next.
    if (group->mergedInto->mergedInto)
      group->mergedInto = group->mergedInto->mergedInto;
    group = group->mergedInto;
  }
  return group;
}

FusionGroup *FusionGroups::lookup(Operation *op) const {
  return find(groupOf.lookup(op));
}

FusionGroup *FusionGroups::add(Operation *op, Skeleton skeleton,
                               ArrayRef<int64_t> shape) {
  FusionGroup *group = groups
                           .emplace_back(std::make_unique<FusionGroup>(
                               op, skeleton, shape, groups.size()))
                           .get();
  groupOf[op] = group;
  // Who uses it in a region of its own may do so at any time.
  group->hasOtherUsers = llvm::any_of(op->getUsers(), [&](Operation *user) {
    return user->getBlock() != op->getBlock();
  });
  return group;
}

void FusionGroups::noteUses(Operation *op) {
  FusionGroup *user = lookup(op);
  for (Value operand : op->getOperands()) {
    Operation *producer = operand.getDefiningOp();
    FusionGroup *group = producer ? lookup(producer) : nullptr;
    if (!group || group == user)
      continue;
    if (!user)
      group->hasOtherUsers = true;
    else
      group->users.push_back(user);
  }
}

bool FusionGroups::isAwaitedBy(FusionGroup &group,
                               const FusionGroup &other) const {
  if (group.hasOtherUsers)
    return false;
  // Each is asked about once: those that have become part of the group go.
  while (!group.users.empty()) {
    FusionGroup *user = find(group.users.back());
    if (user != &group && user != &other)
      return false;
    if (user == &other)
      break;
    group.users.pop_back();
  }
  llvm::SmallVector<FusionGroup *> left;
  for (FusionGroup *user : group.users) {
    user = find(user);
    if (user != &group && user != &other)
      return false;
    if (user == &other && left.empty())
      left.push_back(user);
  }
  group.users = std::move(left);
  return true;
}

template <typename Set> static void insertAll(Set &into, Set &from) {
  if (from.size() > into.size())
    std::swap(into, from);
  into.insert(from.begin(), from.end());
  from.clear();
}

void FusionGroups::merge(FusionGroup *into, FusionGroup *from) {
  int64_t saved = getSavedBytes(*into, *from);
  if (from->ops.size() > into->ops.size()) {
    std::swap(into->order, from->order);
    std::swap(into, from);
  }
  into->bytes += from->bytes - saved;
  into->instructions += from->instructions;
  into->passes += from->passes;
  into->transposes += from->transposes;
  into->reducing |= from->reducing;
  into->hasOtherUsers |= from->hasOtherUsers;
  if (from->skeleton == Skeleton::rows)
    into->skeleton = Skeleton::rows;
  // What one computes for the other is no input any more.
  for (Operation *op : from->ops)
    for (Value result : op->getResults())
      into->inputs.erase(result);
  from->mergedInto = into;
  SmallVector<Value> computed;
  for (Value input : from->inputs)
    if (Operation *op = input.getDefiningOp(); op && lookup(op) == into)
      computed.push_back(input);
  for (Value value : computed)
    from->inputs.erase(value);
  insertAll(into->inputs, from->inputs);
  insertAll(into->throughBarriers, from->throughBarriers);
  into->ops.append(from->ops);
  into->users.append(from->users);
  from->ops.clear();
  from->users.clear();
}

SmallVector<FusionGroup *>
FusionGroups::getAll(llvm::function_ref<unsigned(Operation *)> position) {
  SmallVector<FusionGroup *> all;
  for (auto &group : groups) {
    if (group->mergedInto)
      continue;
    llvm::sort(group->ops, [&](Operation *a, Operation *b) {
      return position(a) < position(b);
    });
    all.push_back(group.get());
  }
  llvm::sort(
      all, [](FusionGroup *a, FusionGroup *b) { return a->order < b->order; });
  return all;
}
