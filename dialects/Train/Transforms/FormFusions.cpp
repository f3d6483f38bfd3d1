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
#include "FP8/IR/Precision.h"
#include "Train/Transforms/FusionGroup.h"
#include "Train/Transforms/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

namespace fp8c::train {
#define GEN_PASS_DEF_FORMFUSIONS
#include "Train/Transforms/Passes.h.inc"
} // namespace fp8c::train

namespace {
using Group = FusionGroup;

/// Forms the fusions of one function.
class FusionFormer {
public:
  FusionFormer(Block &block, int64_t sumRows, const TargetTraits &target)
      : block(block), sumRows(sumRows), target(target),
        groups(target.instructionsPerByte) {}
  void run();

private:
  void join(Operation *op);
  void joinQuantization(Operation *transpose);
  void joinColumnSum(Group &sum);
  bool mayMake(const Group &group, Operation *columnSum) const;
  void sumPartials(Operation *columnSum, Value result, Value partials,
                   unsigned place);
  void moveUsersAfter(Operation *op, unsigned place);
  void outline(Group &group);
  bool fitsSharedMemory(const Group &group, const Group &other, int more) const;

  Block &block;
  int64_t sumRows;
  const TargetTraits &target;
  DenseMap<Operation *, unsigned> position;
  FusionGroups groups;
  DenseMap<Value, Operation *> lastReader;
  llvm::SmallDenseSet<Operation *> assignedSums;
};

struct FormFusions : train::impl::FormFusionsBase<FormFusions> {
  using Base::Base;
  void runOnProgram() override {
    const TargetTraits &target = getTarget(getOperation());
    for (func::FuncOp function : getFunctions(getOperation()))
      FusionFormer(function.getBody().front(),
                   overrule(target.sumRows, sumRows), target)
          .run();
  }
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
    if (isa<ReduceSumOp>(op) && !axes.empty() &&
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
  int64_t rank = permutation.size();
  return rank > 0 &&
         llvm::equal(permutation.drop_front(), llvm::seq<int64_t>(0, rank - 1));
}

static bool isElementwise(Skeleton skeleton) {
  return skeleton == Skeleton::map || skeleton == Skeleton::rows;
}

/// Far more than any model has in one kernel; expressions that compilers would
/// not nest.
constexpr size_t kMostOps = 256;

/// On GPUs the transposed copies of a kernel that reduces over rows gather in
/// shared memory. Of two groups in one, with `more` copies to come.
bool FusionFormer::fitsSharedMemory(const Group &group, const Group &other,
                                    int more) const {
  int64_t copies = more + group.transposes + other.transposes,
          cols = group.shape.empty() ? 1 : group.shape.back();
  return copies <= 1 || !(group.reducing || other.reducing) ||
         copies * cols <= target.transposedCodes;
}

/// Sums that end in a variable: few of all additions, and not each of a long
/// chain has to be followed to its end to know.
static llvm::SmallDenseSet<Operation *> findAssignedSums(Block &block) {
  llvm::SmallDenseSet<Operation *> sums;
  for (auto assign : block.getOps<AssignOp>()) {
    auto add = assign.getValue().getDefiningOp<AddOp>();
    while (add && sums.insert(add).second)
      add = add.getLhs().getDefiningOp<AddOp>();
  }
  return sums;
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
  return isa<AddOp>(op) && op->getOperand(0).getDefiningOp<ReadOp>() &&
         !op->use_empty() && isa<AssignOp>(*op->user_begin()) &&
         isAccumulation(op);
}

/// A transposed copy is a second store of the kernel that quantises, which must
/// know rows and columns. On its own it is no kernel: it stays outside.
void FusionFormer::joinQuantization(Operation *transpose) {
  Operation *quantize = transpose->getOperand(0).getDefiningOp();
  Group *group = groups.lookup(quantize);
  bool isCopied = llvm::any_of(quantize->getUsers(), [&](Operation *user) {
    return isa<fp8::TransposeOp>(user) && groups.lookup(user);
  });
  if (!group || isCopied || !isElementwise(group->skeleton) ||
      !groups.isAwaitedBy(*group, *group))
    return;
  groups.merge(group, groups.add(transpose, Skeleton::rows, group->shape));
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

void FusionFormer::run() {
  for (auto [index, op] : llvm::enumerate(block))
    position[&op] = index;
  assignedSums = findAssignedSums(block);

  for (Operation &op : block) {
    join(&op);
    // An assignment takes effect at the function's exit, wherever it stands.
    if (!isa<AssignOp>(op))
      groups.noteUses(&op);
  }
  SmallVector<Group *> all =
      groups.getAll([&](Operation *op) { return position.lookup(op); });
  if (sumRows > 0)
    for (Group *group : all)
      if (isSumOverRows(group->ops.front()))
        joinColumnSum(*group);
  for (Group *group : all)
    if (!group->ops.empty())
      outline(*group);
}

/// Puts an op into a group, its own or those of its operands and of what else
/// reads them.
void FusionFormer::join(Operation *op) {
  if (isMatrixTranspose(op))
    joinQuantization(op);
  auto kind = classify(op);
  if (!kind || (assignedSums.contains(op) && isAccumulation(op)))
    return;
  auto [skeleton, shape] = *kind;
  groups.add(op, skeleton, shape);
  if (!isElementwise(skeleton))
    return;
  // Merging two groups at `op` needs both to be free to move there.
  auto mayMerge = [&](Group *group, Group *own) {
    return group && group != own && isElementwise(group->skeleton) &&
           group->shape == own->shape &&
           group->ops.size() + own->ops.size() <= kMostOps &&
           fitsSharedMemory(*group, *own, /*more=*/0) &&
           groups.isAwaitedBy(*group, *own) &&
           groups.isAwaitedBy(*own, *group) && groups.isWorthIt(*group, *own);
  };
  auto groupOf = [&](Operation *other) {
    return other ? groups.lookup(other) : nullptr;
  };
  for (Value operand : op->getOperands()) {
    Group *group = groupOf(operand.getDefiningOp()), *own = groups.lookup(op);
    if (mayMerge(group, own))
      groups.merge(group, own);
  }
  // So does what reads the same tensors once more.
  for (Value operand : op->getOperands()) {
    Operation *&reader = lastReader[behindBarriers(operand)];
    Group *group = groupOf(reader), *own = groups.lookup(op);
    if (mayMerge(group, own) && readsAllOf(*group, *own) &&
        fitsSharedMemory(*group, *own, /*more=*/1))
      groups.merge(group, own);
    reader = op;
  }
}

/// May the kernel of `group` make partial sums for `columnSum`? What both read
/// is there where the kernel runs, and nobody waits for the sum before.
bool FusionFormer::mayMake(const Group &group, Operation *columnSum) const {
  unsigned runs = position.lookup(group.ops.back());
  for (Value operand : columnSum->getOperands()) {
    Operation *producer = operand.getDefiningOp();
    const Group *owner = producer ? groups.lookup(producer) : nullptr;
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
void FusionFormer::joinColumnSum(Group &sum) {
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
      candidates.push_back(groups.lookup(producer));
    SmallVector<Operation *> users(operand.getUsers());
    llvm::sort(users, [&](Operation *a, Operation *b) {
      return position.lookup(a) < position.lookup(b);
    });
    for (Operation *user : users)
      candidates.push_back(groups.lookup(user));
  }
  for (Group *group : candidates)
    if (group && isElementwise(group->skeleton) && group->shape == sum.shape &&
        mayMake(*group, op)) {
      group->skeleton = Skeleton::rows;
      group->columnSums.push_back(op);
      groups.erase(op);
      sum.ops.clear();
      return;
    }
}

/// Assignments, and sums on their way to one, did not hold a group back: they
/// follow `op`, which stands at `place`. (Asking the block for the order would
/// number all of its ops again after every change.)
void FusionFormer::moveUsersAfter(Operation *op, unsigned place) {
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
  llvm::SetVector<StringRef> names;
  for (Operation *op : ops)
    if (StringRef name = getName(op); !name.empty())
      names.insert(name);
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
void FusionFormer::sumPartials(Operation *columnSum, Value result,
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

/// Kernels that clamp count what they clamp, whoever wants to know.
static bool isAlwaysCounted(Value value) {
  return isa<fp8::StatsType>(value.getType()) &&
         isa_and_nonnull<fp8::ClampOp, AdamWOp>(value.getDefiningOp());
}

void FusionFormer::outline(Group &group) {
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
      if (isAlwaysCounted(result) ||
          llvm::any_of(result.getUsers(), [&](Operation *user) {
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
    groups.erase(op);
    op->erase();
  }
}
