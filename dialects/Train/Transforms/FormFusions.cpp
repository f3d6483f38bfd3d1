//===- FormFusions.cpp - train-form-fusions -------------------------------===//
//
// One forward scan over each function. An op joins the group of a producer if
// both run over the same shape, the skeletons agree, nothing between them
// outside the group already waits for the group, and one kernel takes no more
// time than two: the fusion stands where its last op stood. Fusing never
// changes a bit, because every value is rounded to its type inside a kernel as
// it would be outside.
//
//===----------------------------------------------------------------------===//

#include "FP8/IR/FP8.h"
#include "Train/IR/Train.h"
#include "Train/Transforms/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

namespace fp8c::train {
#define GEN_PASS_DEF_FORMFUSIONS
#include "Train/Transforms/Passes.h.inc"
} // namespace fp8c::train

namespace {
/// Ops that become one kernel, in program order.
struct Group {
  Skeleton skeleton;
  SmallVector<int64_t> shape; // what the kernel runs over
  SmallVector<Operation *> ops;
  SmallVector<Operation *> columnSums =
      {}; // of which the kernel makes partial sums
};

struct FormFusions : train::impl::FormFusionsBase<FormFusions> {
  using Base::Base;
  void runOnProgram() override {
    for (func::FuncOp function : getFunctions(getOperation()))
      fuse(function.getBody().front());
  }

  void fuse(Block &block);
  void joinQuantization(Operation *transpose);
  void joinColumnSum(Group &sum);
  bool mayMake(const Group &group, Operation *columnSum) const;
  void sumPartials(Operation *columnSum, Value result, Value partials,
                   unsigned place);
  void moveUsersAfter(Operation *op, unsigned place);
  bool mayExtend(const Group &group, Operation *op, const Group &other) const;
  void merge(Group *into, Group *from);
  void outline(Group &group);

  DenseMap<Operation *, unsigned> position;
  DenseMap<Operation *, Group *> groupOf;
};
} // namespace

/// The shape that an op with one kernel runs over, and how; none if the op is
/// not the kind that fuses.
static std::optional<std::pair<Skeleton, ArrayRef<int64_t>>>
classify(Operation *op) {
  auto shape = [&](Value value) { return fp8::getShape(value.getType()); };
  if (isa<SumSquaresOp>(op))
    return {{Skeleton::sum, shape(op->getOperand(0))}};
  if (auto decomposable = dyn_cast<DecomposableOpInterface>(op)) {
    if (decomposable.reducesColumns())
      return {{Skeleton::columns, shape(op->getOperand(0))}};
    return {{isa<AdamWOp>(op) ? Skeleton::map : Skeleton::rows,
             shape(op->getOperand(0))}};
  }
  if (isa<ScalarExpansionOpInterface>(op)) {
    auto result = cast<RankedTensorType>(op->getResult(0).getType());
    // A vector along the last dimension needs the column number.
    bool byElement = llvm::all_of(op->getOperands(), [&](Value operand) {
      auto type = cast<RankedTensorType>(operand.getType());
      return type.getNumElements() == 1 || type.getShape() == result.getShape();
    });
    return {{byElement ? Skeleton::map : Skeleton::rows, result.getShape()}};
  }
  // Kernels know one scale per tensor.
  if (auto dequantize = dyn_cast<fp8::DequantizeOp>(op);
      dequantize && !dequantize.getInput().getType().isPerTensor())
    return {};
  if (isa<fp8::QuantizeOp, fp8::AmaxOp, fp8::DequantizeOp, fp8::ClampOp>(op))
    return {{Skeleton::map, shape(op->getOperand(0))}};
  // Reductions of integers are calls.
  if (isa<ReduceSumOp, ReduceMaxOp>(op) && isFloat(op->getOperand(0))) {
    ArrayRef<int64_t> axes = op->getAttrOfType<DenseI64ArrayAttr>("axes");
    int64_t rank = shape(op->getOperand(0)).size();
    if (isa<ReduceSumOp>(op) &&
        axes.back() == static_cast<int64_t>(axes.size()) - 1)
      return {{Skeleton::columns, shape(op->getOperand(0))}};
    if (axes.size() == 1 && axes[0] == rank - 1)
      return {{Skeleton::rows, shape(op->getOperand(0))}};
  }
  return {};
}

/// Whether a transpose writes what a kernel over rows computes at [i, j] at
/// [j, i]: the last dimension comes first, the others keep their order.
static bool isMatrixTranspose(Operation *op) {
  auto transpose = dyn_cast<fp8::TransposeOp>(op);
  if (!transpose || !transpose.getInput().getDefiningOp<fp8::QuantizeOp>())
    return false;
  ArrayRef<int64_t> permutation = transpose.getPermutation();
  for (auto [i, dim] : llvm::enumerate(permutation.drop_front()))
    if (dim != static_cast<int64_t>(i))
      return false;
  return true;
}

static bool isElementwise(Skeleton skeleton) {
  return skeleton == Skeleton::map || skeleton == Skeleton::rows;
}

static bool reduces(Operation *op) {
  return isa<DecomposableOpInterface, ReduceSumOp, ReduceMaxOp>(op) &&
         !isa<AdamWOp, LayerNormApplyOp, RMSNormApplyOp>(op);
}

/// On GPUs the transposed copies of a kernel that reduces over rows gather in
/// shared memory, which holds 32 rows of this many codes: fewer rows would be
/// written as halves of sectors, which costs more than a kernel of its own.
constexpr int64_t kMostTransposedCodes = 6400;

/// Of two groups in one, with `more` copies to come.
static bool fitsSharedMemory(const Group &group, const Group &other, int more) {
  int64_t copies = more, cols = group.shape.empty() ? 1 : group.shape.back();
  bool reducing = false;
  for (const Group *half : {&group, &other}) {
    copies += llvm::count_if(
        half->ops, [](Operation *op) { return isa<fp8::TransposeOp>(op); });
    reducing |= llvm::any_of(half->ops, reduces);
  }
  return copies <= 1 || !reducing || copies * cols <= kMostTransposedCodes;
}

/// The value in memory: barriers keep apart what is computed from it.
static Value behindBarriers(Value value) {
  while (auto barrier = value.getDefiningOp<BarrierOp>())
    value = barrier.getInput();
  return value;
}

//===----------------------------------------------------------------------===//
// What a kernel costs
//===----------------------------------------------------------------------===//

/// An H100 executes about as many f32 instructions in the time of a byte: 132
/// multiprocessors of 128 at 1.7 GHz, by 3 TB/s.
constexpr int64_t kInstructionsPerByte = 10;

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

/// Bytes that one kernel of these ops moves: what it reads, each tensor once,
/// and what others read of it.
static int64_t getBytes(ArrayRef<Operation *> ops) {
  SmallPtrSet<Value, 16> inputs;
  int64_t bytes = 0;
  for (Operation *op : ops) {
    for (Value operand : op->getOperands()) {
      operand = behindBarriers(operand);
      if (!llvm::is_contained(ops, operand.getDefiningOp()) &&
          inputs.insert(operand).second)
        bytes += getBytes(operand);
    }
    for (Value result : op->getResults())
      if (llvm::any_of(result.getUsers(), [&](Operation *user) {
            return !llvm::is_contained(ops, user);
          }))
        bytes += getBytes(result);
  }
  return bytes;
}

/// The time of one kernel of these ops over `elements`, in instructions: it
/// waits for its bytes or for arithmetic. What comes before a reduction over a
/// row is computed anew in each pass.
static int64_t getTime(ArrayRef<Operation *> ops, int64_t elements) {
  int64_t instructions = 0, passes = 1;
  for (Operation *op : ops) {
    instructions += getInstructions(op);
    passes += getPasses(op);
  }
  return std::max(getBytes(ops) * kInstructionsPerByte,
                  instructions * passes * elements);
}

/// Does one kernel take no more time than two?
static bool isWorthIt(const Group &a, const Group &b) {
  SmallVector<Operation *> both(a.ops);
  both.append(b.ops);
  int64_t elements = ShapedType::getNumElements(a.shape);
  return getTime(both, elements) <=
         getTime(a.ops, elements) + getTime(b.ops, elements);
}

/// Does `other` read all the whole tensors that `group` reads?
static bool readsAllOf(const Group &group, const Group &other) {
  auto getInputs = [](const Group &of) {
    SmallPtrSet<Value, 8> inputs;
    for (Operation *op : of.ops)
      for (Value operand : op->getOperands())
        if (isa<RankedTensorType, fp8::ScaledType>(operand.getType()) &&
            fp8::getShape(operand.getType()) == ArrayRef(of.shape) &&
            !llvm::is_contained(of.ops, operand.getDefiningOp()))
          inputs.insert(behindBarriers(operand));
    return inputs;
  };
  SmallPtrSet<Value, 8> inputs = getInputs(other);
  return llvm::all_of(getInputs(group),
                      [&](Value input) { return inputs.contains(input); });
}

/// Added to a gradient, and x not element-wise: the producer of x accumulates
/// in place instead.
static bool isAccumulation(Operation *op) {
  auto add = dyn_cast<AddOp>(op);
  return add && getGradientSum(add);
}

/// An accumulation of one term only: where there are several, they are added in
/// program order.
static bool isOnlyTerm(Operation *op) {
  return isAccumulation(op) && op->getOperand(0).getDefiningOp<ReadOp>() &&
         isa<AssignOp>(*op->user_begin());
}

/// May `group` move down to `op`, where it merges with `other`?
bool FormFusions::mayExtend(const Group &group, Operation *op,
                            const Group &other) const {
  for (Operation *member : group.ops)
    for (Operation *user : member->getUsers())
      // An assignment takes effect at the function's exit, wherever it stands.
      if (isa<AssignOp>(user))
        continue;
      else if (const Group *owner = groupOf.lookup(user);
               position.lookup(user) < position.lookup(op) && owner != &group &&
               owner != &other)
        return false;
  return true;
}

void FormFusions::merge(Group *into, Group *from) {
  for (Operation *op : from->ops)
    groupOf[op] = into;
  into->ops.append(from->ops);
  llvm::sort(into->ops, [&](Operation *a, Operation *b) {
    return position[a] < position[b];
  });
  if (from->skeleton == Skeleton::rows)
    into->skeleton = Skeleton::rows;
  from->ops.clear();
}

/// A transposed copy is a second store of the kernel that quantises, which must
/// know rows and columns. On its own it is no kernel: it stays outside.
void FormFusions::joinQuantization(Operation *transpose) {
  Group *group = groupOf.lookup(transpose->getOperand(0).getDefiningOp());
  if (!group || !isElementwise(group->skeleton) ||
      !mayExtend(*group, transpose, *group))
    return;
  group->skeleton = Skeleton::rows;
  group->ops.push_back(transpose);
  groupOf[transpose] = group;
}

/// A sum of whole rows into one, as gradients of biases and norms are.
static bool isSumOverRows(Operation *op) {
  if (auto decomposable = dyn_cast<DecomposableOpInterface>(op))
    return decomposable.reducesColumns();
  auto sum = dyn_cast<ReduceSumOp>(op);
  return sum && classify(op)->first == Skeleton::columns &&
         fp8::getShape(sum.getOutput().getType()) ==
             fp8::getShape(sum.getInput().getType()).take_back(1);
}

void FormFusions::fuse(Block &block) {
  position.clear();
  groupOf.clear();
  for (auto [index, op] : llvm::enumerate(block))
    position[&op] = index;

  SmallVector<std::unique_ptr<Group>> groups;
  DenseMap<Value, Operation *> lastReader;
  for (Operation &op : block) {
    if (isMatrixTranspose(&op))
      joinQuantization(&op);
    auto kind = classify(&op);
    if (!kind || isAccumulation(&op))
      continue;
    auto [skeleton, shape] = *kind;
    Group *own = groups
                     .emplace_back(new Group{
                         skeleton, SmallVector<int64_t>(shape), {&op}})
                     .get();
    groupOf[&op] = own;
    if (!isElementwise(skeleton))
      continue;
    // Merging two groups at `op` needs both to be free to move there.
    auto mayMerge = [&](Group *group) {
      own = groupOf[&op];
      return group && group != own && isElementwise(group->skeleton) &&
             group->shape == own->shape &&
             fitsSharedMemory(*group, *own, /*more=*/0) &&
             mayExtend(*group, &op, *own) && mayExtend(*own, &op, *group) &&
             isWorthIt(*group, *own);
    };
    for (Value operand : op.getOperands()) {
      Operation *producer = operand.getDefiningOp();
      if (Group *group = producer ? groupOf.lookup(producer) : nullptr;
          mayMerge(group))
        merge(group, own);
    }
    // So does what reads the same tensors once more.
    for (Value operand : op.getOperands()) {
      Operation *&reader = lastReader[behindBarriers(operand)];
      if (Group *group = reader ? groupOf.lookup(reader) : nullptr;
          mayMerge(group) && readsAllOf(*group, *own) &&
          fitsSharedMemory(*group, *own, /*more=*/1))
        merge(group, own);
      reader = &op;
    }
  }
  if (sumRows > 0)
    for (auto &group : groups)
      if (!group->ops.empty() && isSumOverRows(group->ops.front()))
        joinColumnSum(*group);
  for (auto &group : groups)
    if (!group->ops.empty())
      outline(*group);
}

/// May the kernel of `group` make partial sums for `columnSum`? What both read
/// is there where the kernel runs, and nobody waits for the sum before.
bool FormFusions::mayMake(const Group &group, Operation *columnSum) const {
  unsigned runs = position.lookup(group.ops.back());
  for (Value operand : columnSum->getOperands()) {
    Operation *producer = operand.getDefiningOp();
    const Group *owner = producer ? groupOf.lookup(producer) : nullptr;
    if (producer && owner != &group &&
        position.lookup(owner ? owner->ops.back() : producer) >= runs)
      return false;
  }
  return llvm::all_of(columnSum->getUsers(), [&](Operation *user) {
    return isa<AssignOp>(user) || isOnlyTerm(user) ||
           position.lookup(user) > runs;
  });
}

/// Lets a kernel that computes or reads what `sum` sums over do it by the way.
void FormFusions::joinColumnSum(Group &sum) {
  // GPU kernels that do so work on packs of eight columns.
  if (sum.shape.back() % 8)
    return;
  Operation *op = sum.ops.front();
  SmallVector<Group *> candidates;
  for (Value operand : op->getOperands()) {
    if (fp8::getShape(operand.getType()) != ArrayRef<int64_t>(sum.shape))
      continue;
    // The kernel that makes the value comes first: it may not have to store it
    // then.
    if (Operation *producer = operand.getDefiningOp())
      candidates.push_back(groupOf.lookup(producer));
    SmallVector<Operation *> users(operand.getUsers());
    llvm::sort(users, [&](Operation *a, Operation *b) {
      return position.lookup(a) < position.lookup(b);
    });
    for (Operation *user : users)
      candidates.push_back(groupOf.lookup(user));
  }
  for (Group *group : candidates)
    if (group && isElementwise(group->skeleton) && group->shape == sum.shape &&
        mayMake(*group, op)) {
      group->skeleton = Skeleton::rows;
      group->columnSums.push_back(op);
      groupOf.erase(op);
      sum.ops.clear();
      return;
    }
}

/// Assignments, and sums on their way to one, did not hold a group back: they
/// follow `op`, which stands at `place`. (Asking the block for the order would
/// number all of its ops again after every change.)
void FormFusions::moveUsersAfter(Operation *op, unsigned place) {
  for (Operation *user : llvm::make_early_inc_range(op->getUsers()))
    if ((isa<AssignOp>(user) || isOnlyTerm(user)) &&
        position.lookup(user) < place) {
      user->moveAfter(op);
      moveUsersAfter(user, place);
    }
}

/// What a value of a fusion is called in reports and emitted source.
static std::string getResultName(Value value) {
  Operation *op = value.getDefiningOp();
  std::string name = getName(op).str();
  unsigned index = cast<OpResult>(value).getResultNumber();
  if (isa<AdamWOp>(op))
    return name + (index == 1 ? ".m" : index == 2 ? ".v" : "");
  if (isa<fp8::TransposeOp>(op))
    return name + ".t";
  if (index == 0)
    return name;
  if (isa<LayerNormParamsVJPOp>(op))
    return name + ".bias";
  return name + (isa<LayerNormOp>(op) && index == 1 ? ".mean"
                 : isa<fp8::QuantizeOp>(op)         ? ".stats"
                                                    : ".rstd");
}

/// Names of the ops in a fusion, for reports: "h.0/mlp/fc.bias + h.0/mlp/gelu".
static std::string joinNames(ArrayRef<Operation *> ops) {
  SmallVector<StringRef> names;
  for (Operation *op : ops)
    if (StringRef name = getName(op);
        !name.empty() && !llvm::is_contained(names, name))
      names.push_back(name);
  return llvm::join(names, " + ");
}

/// Replaces a sum over rows in the body of a fusion by partial sums.
static SmallVector<Value> makePartialSums(Operation *columnSum,
                                          int64_t blockRows) {
  OpBuilder builder(columnSum);
  SmallVector<Value> sums(columnSum->getResults());
  if (auto decomposable = dyn_cast<DecomposableOpInterface>(columnSum))
    sums = decomposable.decompose(builder);
  // A plain sum is what it decomposes to.
  llvm::SmallSetVector<Operation *, 4> replaced;
  replaced.insert(columnSum);
  for (Value &sum : sums) {
    while (auto cast = sum.getDefiningOp<CastOp>()) {
      replaced.insert(cast);
      sum = cast.getInput();
    }
    auto reduce = sum.getDefiningOp<ReduceSumOp>();
    replaced.insert(reduce);
    ArrayRef<int64_t> shape = fp8::getShape(reduce.getInput().getType());
    int64_t blocks = llvm::divideCeil(
        ShapedType::getNumElements(shape.drop_back()), blockRows);
    auto type =
        RankedTensorType::get({blocks, shape.back()}, builder.getF32Type());
    sum = PartialSumOp::create(builder, columnSum->getLoc(), type,
                               reduce.getInput(), blockRows);
  }
  for (Operation *op : replaced)
    if (op->use_empty() && op->getBlock())
      op->erase();
  return sums;
}

/// The kernel that adds up the blocks, in order.
void FormFusions::sumPartials(Operation *columnSum, Value result,
                              Value partials, unsigned place) {
  OpBuilder builder(columnSum->getContext());
  builder.setInsertionPointAfterValue(partials);
  auto fusion = FusionOp::create(builder, columnSum->getLoc(),
                                 TypeRange(result.getType()), partials,
                                 Skeleton::columns);
  fusion->setDiscardableAttrs(columnSum->getDiscardableAttrDictionary());
  fusion->removeDiscardableAttr(kPrecisionAttr);
  fusion->setDiscardableAttr(kResultNamesAttr,
                             builder.getStrArrayAttr({getResultName(result)}));
  Block &body = fusion.getBody().emplaceBlock();
  builder.setInsertionPointToEnd(&body);
  Value argument = body.addArgument(partials.getType(), columnSum->getLoc());
  Value sum = ReduceSumOp::create(
      builder, columnSum->getLoc(), result.getType(), argument,
      builder.getDenseI64ArrayAttr({0}), /*keepdims=*/false);
  YieldOp::create(builder, columnSum->getLoc(), sum);
  result.replaceAllUsesWith(fusion.getResult(0));
  moveUsersAfter(fusion, place);
}

void FormFusions::outline(Group &group) {
  Operation *last = group.ops.back();
  SmallVector<Operation *> all(group.ops);
  llvm::append_range(all, group.columnSums);
  DenseSet<Operation *> members(all.begin(), all.end());
  SmallVector<Value> inputs, outputs;
  IRMapping mapping;
  OpBuilder builder(last);
  Block *body = new Block;
  SmallVector<Operation *> constants;
  for (Operation *op : all) {
    for (Value operand : op->getOperands()) {
      operand = behindBarriers(operand);
      Operation *producer = operand.getDefiningOp();
      if (mapping.contains(operand) || (producer && members.contains(producer)))
        continue;
      // Numbers that stand in the text of the kernel.
      if (auto constant = dyn_cast_or_null<arith::ConstantOp>(producer))
        if (auto splat = dyn_cast<SplatElementsAttr>(constant.getValue());
            splat && splat.getNumElements() == 1) {
          mapping.map(operand, operand);
          constants.push_back(constant);
          continue;
        }
      inputs.push_back(operand);
      mapping.map(operand, body->addArgument(operand.getType(), op->getLoc()));
    }
  }
  for (Operation *op : group.ops)
    for (Value result : op->getResults())
      if (llvm::any_of(result.getUsers(), [&](Operation *user) {
            return !members.contains(user);
          }))
        outputs.push_back(result);
  if (outputs.empty() && group.columnSums.empty()) {
    delete body;
    for (Operation *op : llvm::reverse(group.ops))
      op->erase();
    return;
  }

  builder.setInsertionPointToEnd(body);
  for (Operation *constant : constants)
    mapping.map(constant->getResult(0), builder.clone(*constant)->getResult(0));
  for (Operation *op : group.ops) {
    for (Value operand : op->getOperands())
      mapping.map(operand, mapping.lookup(behindBarriers(operand)));
    Operation *clone = builder.clone(*op, mapping);
    // What layers differ in would keep their kernels apart.
    for (StringRef attr : {kNameAttr, kPhaseAttr, kPrecisionAttr})
      clone->removeDiscardableAttr(attr);
  }
  int64_t saved = -getBytes(all);
  for (Operation *op : all)
    saved += getBytes(ArrayRef(op));
  SmallVector<Value> yielded, sums;
  for (Value output : outputs)
    yielded.push_back(mapping.lookup(output));
  for (Operation *op : group.columnSums) {
    for (Value operand : op->getOperands())
      mapping.map(operand, mapping.lookup(behindBarriers(operand)));
    llvm::append_range(sums, op->getResults());
    llvm::append_range(yielded,
                       makePartialSums(builder.clone(*op, mapping), sumRows));
    builder.setInsertionPointToEnd(body);
  }
  YieldOp::create(builder, last->getLoc(), yielded);

  builder.setInsertionPoint(last);
  auto fusion =
      FusionOp::create(builder, last->getLoc(), ValueRange(yielded).getTypes(),
                       inputs, group.skeleton);
  fusion.getBody().push_back(body);
  if (std::string name = joinNames(all); !name.empty())
    setName(fusion, name);
  if (std::optional<Phase> phase = getPhase(last))
    setPhase(fusion, *phase);
  if (saved > 0)
    fusion->setDiscardableAttr(kSavedBytesAttr,
                               builder.getI64IntegerAttr(saved));
  // One name per result: the op's own says what the kernel does.
  SmallVector<Attribute> resultNames;
  for (Value output : outputs)
    resultNames.push_back(builder.getStringAttr(getResultName(output)));
  for (Value sum : sums)
    resultNames.push_back(
        builder.getStringAttr(getResultName(sum) + ".partials"));
  fusion->setDiscardableAttr(kResultNamesAttr,
                             builder.getArrayAttr(resultNames));
  for (auto [output, result] : llvm::zip_first(outputs, fusion.getResults()))
    output.replaceAllUsesWith(result);
  moveUsersAfter(fusion, position.lookup(last));
  for (auto [sum, partials] :
       llvm::zip(sums, fusion.getResults().drop_front(outputs.size())))
    sumPartials(cast<OpResult>(sum).getOwner(), sum, partials,
                position.lookup(last));
  for (Operation *op : llvm::reverse(all)) {
    groupOf.erase(op);
    op->erase();
  }
}
