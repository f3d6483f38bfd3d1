//===- Train.cpp - The train dialect: registration, helpers, variables ----===//

#include "Train/IR/Train.h"

#include "FP8/IR/Precision.h"
#include "Train/IR/TrainRelations.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::train;

#include "Train/IR/TrainDialect.cpp.inc"
#include "Train/IR/TrainEnums.cpp.inc"
#include "Train/IR/TrainInterfaces.cpp.inc"

/// An f64 number, printed without its type.
static ParseResult parseNumber(AsmParser &parser, FloatAttr &attr) {
  double value;
  if (parser.parseFloat(value))
    return failure();
  attr = parser.getBuilder().getF64FloatAttr(value);
  return success();
}
static void printNumber(AsmPrinter &printer, FloatAttr attr) {
  printer.printFloat(attr.getValue());
}

/// `[dp = 4, tp = 2]`
static ParseResult parseAxes(OpAsmParser &parser, ArrayAttr &axes,
                             DenseI64ArrayAttr &sizes) {
  Builder &builder = parser.getBuilder();
  SmallVector<Attribute> names;
  SmallVector<int64_t> numbers;
  auto parseAxis = [&]() -> ParseResult {
    std::string name;
    if (parser.parseKeywordOrString(&name) || parser.parseEqual() ||
        parser.parseInteger(numbers.emplace_back()))
      return failure();
    names.push_back(builder.getStringAttr(name));
    return success();
  };
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, parseAxis))
    return failure();
  axes = builder.getArrayAttr(names);
  sizes = builder.getDenseI64ArrayAttr(numbers);
  return success();
}
static void printAxes(OpAsmPrinter &printer, Operation *, ArrayAttr axes,
                      DenseI64ArrayAttr sizes) {
  printer << "[";
  llvm::interleaveComma(
      llvm::zip(axes, sizes.asArrayRef()), printer, [&](auto axis) {
        printer.printKeywordOrString(cast<StringAttr>(std::get<0>(axis)));
        printer << " = " << std::get<1>(axis);
      });
  printer << "]";
}

#define GET_ATTRDEF_CLASSES
#include "Train/IR/TrainAttrs.cpp.inc"

#define GET_OP_CLASSES
#include "Train/IR/TrainOps.cpp.inc"

void TrainDialect::initialize() {
  registerAttributes();
  addOperations<
#define GET_OP_LIST
#include "Train/IR/TrainOps.cpp.inc"
      >();
}

void TrainDialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "Train/IR/TrainAttrs.cpp.inc"
      >();
}

//===----------------------------------------------------------------------===//
// Helpers
//===----------------------------------------------------------------------===//

Type train::getBroadcastType(Type lhs, Type rhs) {
  auto a = cast<RankedTensorType>(lhs), b = cast<RankedTensorType>(rhs);
  int64_t rank = std::max(a.getRank(), b.getRank());
  SmallVector<int64_t> shape(rank, 1);
  for (int64_t i = 0; i < rank; ++i) {
    int64_t da =
        i < rank - a.getRank() ? 1 : a.getDimSize(i - (rank - a.getRank()));
    int64_t db =
        i < rank - b.getRank() ? 1 : b.getDimSize(i - (rank - b.getRank()));
    if (da != db && da != 1 && db != 1)
      return {};
    shape[i] = da == 1 ? db : da;
  }
  Type element = a.getElementTypeBitWidth() >= b.getElementTypeBitWidth()
                     ? a.getElementType()
                     : b.getElementType();
  return RankedTensorType::get(shape, element);
}

LogicalResult train::verifyBroadcast(Operation *op) {
  Type type = op->getOperand(0).getType();
  for (Value operand : op->getOperands().drop_front()) {
    Type next = getBroadcastType(type, operand.getType());
    if (!next)
      return op->emitOpError("operands do not broadcast: ")
             << type << " and " << operand.getType();
    type = next;
  }
  Type result = op->getResult(0).getType();
  if (cast<ShapedType>(type).getShape() != cast<ShapedType>(result).getShape())
    return op->emitOpError("result must have the shape of ")
           << type << ", but is " << result;
  return success();
}

bool train::isModelParameter(Role role) {
  return role == Role::parameter || role == Role::frozen;
}

bool train::isFloat(Value value) {
  return isa<FloatType>(getElementTypeOrSelf(value));
}

LogicalResult train::verifyOneKind(Operation *op, ValueRange values) {
  for (Value value : values) {
    Type type = getElementTypeOrSelf(value),
         first = getElementTypeOrSelf(values.front());
    if (type != first && !(isFloat(value) && isFloat(values.front())))
      return op->emitOpError("mixes ")
             << first << " and " << type << ", which train.convert turns into "
             << "each other";
  }
  return success();
}

LogicalResult train::verifyElementwise(Operation *op) {
  SmallVector<Value> values(op->getOperands());
  llvm::append_range(values, op->getResults());
  if (failed(verifyOneKind(op, values)))
    return failure();
  return verifyBroadcast(op);
}

std::optional<Input> train::getInput(FunctionOpInterface function,
                                     unsigned index) {
  auto attr = function.getArgAttrOfType<InputAttr>(index, kInputAttr);
  return attr ? std::optional(attr.getValue()) : std::nullopt;
}
void train::setInput(FunctionOpInterface function, unsigned index,
                     Input input) {
  function.setArgAttr(index, kInputAttr,
                      InputAttr::get(function.getContext(), input));
}
std::optional<unsigned> train::findInput(FunctionOpInterface function,
                                         Input input) {
  for (unsigned i = 0, e = function.getNumArguments(); i < e; ++i)
    if (getInput(function, i) == input)
      return i;
  return std::nullopt;
}
bool train::isLabels(Input input) { return input != Input::tokens; }

std::optional<Output> train::getOutput(FunctionOpInterface function,
                                       unsigned index) {
  auto attr = function.getResultAttrOfType<OutputAttr>(index, kOutputAttr);
  return attr ? std::optional(attr.getValue()) : std::nullopt;
}
void train::setOutput(FunctionOpInterface function, unsigned index,
                      Output output) {
  function.setResultAttr(index, kOutputAttr,
                         OutputAttr::get(function.getContext(), output));
}

Value train::getJoined(OpOperand &operand) {
  Operation *op = operand.getOwner();
  if (!isa<AllReduceOp, fp8::AllReduceOp>(op))
    return {};
  Value joined = op->getResult(operand.getOperandNumber());
  return joined.getType() == operand.get().getType() ? joined : Value();
}

std::optional<train::GradientSum> train::getGradientSum(AddOp add) {
  Value first = add.getLhs();
  bool keepsType = true; // of the sum, from the first term on
  while (auto sum = first.getDefiningOp<AddOp>()) {
    keepsType &= sum.getType() == add.getType();
    first = sum.getLhs();
  }
  AssignOp assign;
  for (Value sum = add.getResult(); !assign;) {
    if (!sum.hasOneUse())
      return std::nullopt;
    OpOperand &use = *sum.use_begin();
    if (auto next = dyn_cast<AddOp>(use.getOwner());
        next && use.getOperandNumber() == 0)
      sum = next;
    else if (Value joined = getJoined(use))
      sum = joined;
    else if (assign = dyn_cast<AssignOp>(use.getOwner()); !assign)
      return std::nullopt;
  }
  if (auto read = first.getDefiningOp<ReadOp>()) {
    if (read.getVariableAttr() != assign.getVariableAttr())
      return std::nullopt;
  } else if (getPhase(add) != Phase::update || !first.hasOneUse() ||
             first.getType() != add.getType() || !keepsType ||
             assign.getValue().getType() != add.getType()) {
    // Terms meet in the variable only if they are rounded as often so.
    return std::nullopt;
  }
  return GradientSum{first, assign};
}

Value train::scalarConstant(OpBuilder &builder, Location loc, float value) {
  auto type = RankedTensorType::get({}, builder.getF32Type());
  return arith::ConstantOp::create(builder, loc,
                                   DenseElementsAttr::get(type, value));
}

RankedTensorType train::withElementType(Type type, Type element) {
  return RankedTensorType::get(cast<ShapedType>(type).getShape(), element);
}

//===----------------------------------------------------------------------===//
// Variables
//===----------------------------------------------------------------------===//

/// Numbers of static shape, or what the fp8 dialect keeps from step to step.
static bool isVariableType(Type type) {
  if (isa<fp8::ScaledType, fp8::ScaleStateType, fp8::StatsType>(type))
    return true;
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor || !tensor.hasStaticShape())
    return false;
  Type element = tensor.getElementType();
  return isWide(element) || element.isInteger(64) || element.isInteger(32) ||
         element.isInteger(1);
}

/// What a variable, or a part of one, starts with.
static LogicalResult verifyInit(VariableOp op, Attribute init, Type type) {
  auto dense = dyn_cast<DenseElementsAttr>(init);
  if (!dense && !isa<NormalInitAttr, ConstantInitAttr, FileInitAttr>(init))
    return op.emitOpError("init must be #train.normal, #train.constant, "
                          "#train.file or #train.joined, but is ")
           << init;
  if (dense && (!dense.getElementType().isF32() ||
                !isa<RankedTensorType, fp8::ScaledType>(type) ||
                dense.getType().getShape() != fp8::getShape(type)))
    return op.emitOpError("starts with values of ")
           << dense.getType() << ", which must be f32 of its shape";
  auto tensor = dyn_cast<ShapedType>(type);
  auto file = dyn_cast<FileInitAttr>(init);
  if (!file || !tensor)
    return success();
  Type stored = file.getTypeInFile(tensor.getElementType());
  if (file.getType() &&
      (!isa<FloatType>(tensor.getElementType()) ||
       !isa<Float32Type, Float64Type, Float16Type, BFloat16Type>(stored)))
    return op.emitOpError("starts with data of ")
           << stored << "; it can be f32, f64, f16 or bf16, of floats";
  uint64_t size = tensor.getNumElements() *
                  llvm::divideCeil(stored.getIntOrFloatBitWidth(), 8);
  if (file.getSize() != size)
    return op.emitOpError() << tensor << " takes " << size
                            << " bytes, but init gives " << file.getSize();
  return success();
}

/// Parts of one or more elements make the whole dimension.
static LogicalResult verifyJoined(VariableOp op, JoinedInitAttr joined) {
  ArrayRef<int64_t> shape = fp8::getShape(op.getType());
  int64_t dim = joined.getDim(), size = 0;
  if (!isModelParameter(op.getRole()))
    return op.emitOpError("is a ")
           << stringifyRole(op.getRole())
           << ", and only parameters have parts that start on their own";
  if (dim < 0 || dim >= static_cast<int64_t>(shape.size()))
    return op.emitOpError("has parts along dimension ")
           << dim << ", but " << shape.size() << " dimensions";
  for (PartAttr part : joined.getParts()) {
    if (part.getSize() < 1)
      return op.emitOpError("has a part ")
             << part.getName() << " of size " << part.getSize();
    size += part.getSize();
    SmallVector<int64_t> partShape(shape);
    partShape[dim] = part.getSize();
    // What starts in f32 may be stored in another type.
    auto tensor = dyn_cast<RankedTensorType>(op.getType());
    Type element =
        tensor ? tensor.getElementType() : Float32Type::get(op.getContext());
    if (failed(verifyInit(op, part.getInit(),
                          RankedTensorType::get(partShape, element))))
      return failure();
  }
  if (size != shape[dim])
    return op.emitOpError("has parts of ") << size << " along dimension " << dim
                                           << ", which has " << shape[dim];
  return success();
}

/// What fp8-lower-states and train-apply-precision can store.
static LogicalResult verifyStorage(VariableOp variable,
                                   fp8::StorageAttr storage) {
  auto tensor = dyn_cast<RankedTensorType>(variable.getType());
  if (!tensor || !fp8::isWide(tensor.getElementType()))
    return variable.emitOpError("precision: only tensors of f32, bf16 or f16 "
                                "have a storage to choose, but it is ")
           << variable.getType();
  if (storage.getSqrt() && variable.getRole() != Role::moment2)
    return variable.emitOpError("precision: 'sqrt' is for second moments, "
                                "which are never negative; this is a ")
           << stringifyRole(variable.getRole());
  if (storage.getStochastic() && variable.getRole() == Role::gradient)
    return variable.emitOpError(
        "precision: 'stochastic' is for parameters and moments");
  return success();
}

LogicalResult VariableOp::verify() {
  auto joined = dyn_cast<JoinedInitAttr>(getInit());
  auto tensor = dyn_cast<ShapedType>(getType());
  if (tensor && !tensor.hasStaticShape())
    return emitOpError("must have a static shape, but is ") << tensor;
  if (!isVariableType(getType()))
    return emitOpError("must be a tensor of f32, bf16, f16, i64, i32 or i1, or "
                       "!fp8.scaled, !fp8.scale_state or !fp8.stats, but is ")
           << getType();
  if (isa<fp8::ScaleStateType, fp8::StatsType>(getType()) !=
      (getRole() == Role::scale))
    return emitOpError("is ")
           << getType() << " of role " << stringifyRole(getRole())
           << "; of role scale are !fp8.scale_state and !fp8.stats, and no "
              "other types";
  if (fp8::PrecisionAttr precision = fp8::getPrecision(*this);
      precision && precision.getStorage() &&
      failed(verifyStorage(*this, precision.getStorage())))
    return failure();
  return joined ? verifyJoined(*this, joined)
                : verifyInit(*this, getInit(), getType());
}

Type FileInitAttr::getTypeInFile(Type element) {
  if (getType())
    return getType();
  return isa<FloatType>(element) ? Float32Type::get(getContext()) : element;
}

StringRef ReadOp::getValueRole(unsigned) {
  auto variable = SymbolTable::lookupNearestSymbolFrom<VariableOp>(
      *this, getVariableAttr());
  return variable && isModelParameter(variable.getRole())
             ? StringRef(fp8::kWeight)
             : StringRef();
}

LogicalResult VariableOp::verifySymbolUses(SymbolTableCollection &symbols) {
  if (!getOfAttr())
    return success();
  auto owner = symbols.lookupNearestSymbolFrom<VariableOp>(*this, getOfAttr());
  if (!owner)
    return emitOpError("belongs to ")
           << getOfAttr() << ", which is no train.variable";
  return verifyOwner(*this, owner);
}

static LogicalResult verifyVariableUse(Operation *op, FlatSymbolRefAttr symbol,
                                       Type type,
                                       SymbolTableCollection &symbols) {
  auto variable = symbols.lookupNearestSymbolFrom<VariableOp>(op, symbol);
  if (!variable)
    return op->emitOpError("refers to ")
           << symbol << ", which is no train.variable";
  if (variable.getType() != type)
    return op->emitOpError("has type ")
           << type << ", but " << symbol << " is declared as "
           << variable.getType();
  if (!op->getParentOfType<FunctionOpInterface>())
    return op->emitOpError("stands in no function: variables are read at entry "
                           "of one and assigned at its exit");
  return success();
}

LogicalResult ReadOp::verifySymbolUses(SymbolTableCollection &symbols) {
  if (failed(verifyVariableUse(*this, getVariableAttr(), getValue().getType(),
                               symbols)))
    return failure();
  return verifyRelations(*this, symbols.lookupNearestSymbolFrom<VariableOp>(
                                    *this, getVariableAttr()));
}
LogicalResult AssignOp::verifySymbolUses(SymbolTableCollection &symbols) {
  if (failed(verifyVariableUse(*this, getVariableAttr(), getValue().getType(),
                               symbols)) ||
      failed(verifyRelations(
          *this,
          symbols.lookupNearestSymbolFrom<VariableOp>(*this, getVariableAttr()),
          symbols)))
    return failure();
  // The first of a block looks at all: once, however many there are.
  for (Operation *op = (*this)->getPrevNode(); op; op = op->getPrevNode())
    if (isa<AssignOp>(op))
      return success();
  DenseSet<Attribute> assigned;
  for (auto assign : (*this)->getBlock()->getOps<AssignOp>())
    if (!assigned.insert(assign.getVariableAttr()).second)
      return assign.emitOpError("gives ")
             << assign.getVariableAttr()
             << " a second value at exit of the function: assign the last one "
                "only";
  return success();
}

/// The variable of scaled type that a scale is stored beside.
static FailureOr<VariableOp> verifyScaleOf(Operation *op, Attribute name,
                                           fp8::ScaleType scale,
                                           SymbolTableCollection &symbols) {
  auto symbol = dyn_cast<FlatSymbolRefAttr>(name);
  auto variable = symbol
                      ? symbols.lookupNearestSymbolFrom<VariableOp>(op, symbol)
                      : VariableOp();
  auto type = variable ? dyn_cast<fp8::ScaledType>(variable.getType())
                       : fp8::ScaledType();
  if (!type)
    return op->emitOpError("refers to ")
           << name << ", which is no train.variable of scaled type";
  if (type.getStorage() != scale.getStorage())
    return op->emitOpError("gives ")
           << scale << " for " << name << ", a " << type;
  return variable;
}

LogicalResult StoredScaleOp::verifySymbolUses(SymbolTableCollection &symbols) {
  return success(succeeded(
      verifyScaleOf(*this, getVariableAttr(), getScale().getType(), symbols)));
}

LogicalResult UpdateScalesOp::verifySymbolUses(SymbolTableCollection &symbols) {
  size_t count = getScales().size();
  if (getVariables().size() != count || getAmaxes().size() != count ||
      getGradients().size() != count || getDecays().size() != count ||
      getRoots().size() != count)
    return emitOpError("gives ") << count
                                 << " scales and needs as many variables, "
                                    "amaxes, gradients, decays and roots";
  for (auto [name, scale] : llvm::zip(getVariables(), getScales())) {
    FailureOr<VariableOp> variable = verifyScaleOf(
        *this, name, cast<fp8::ScaleType>(scale.getType()), symbols);
    if (failed(variable))
      return failure();
    if (!llvm::is_contained({Role::parameter, Role::compute_weight,
                             Role::moment1, Role::moment2},
                            variable->getRole()))
      return emitOpError("has no bound for ")
             << name << ", a " << stringifyRole(variable->getRole());
  }
  for (Value gradient : getGradients())
    if (auto amax = dyn_cast<RankedTensorType>(gradient.getType());
        !isa<fp8::ScaledType, fp8::StatsType>(gradient.getType()) &&
        !(amax && amax.getRank() == 0 && amax.getElementType().isF32()))
      return emitOpError(
                 "needs gradients as scaled tensors or amaxes, but got ")
             << gradient.getType();
  for (auto [value, name] :
       {std::pair(getCoefficient(), StringRef(kCoefficient)),
        {getLr(), "lr"},
        {getBeta1(), "beta1"},
        {getBeta2(), "beta2"},
        {getWeightDecay(), "weight_decay"},
        {getStep(), "step"},
        {getSeed(), "seed"}})
    if (failed(verifyHyper(*this, value, name)))
      return failure();
  return verifyRelations(*this, symbols);
}

LogicalResult HyperOp::verify() {
  static constexpr llvm::StringLiteral known[] = {
      "lr",        "beta1", "beta2",      "eps",  "weight_decay",
      "clip_norm", "step",  "grad_scale", "seed", kMicroBatch};
  if (!llvm::is_contained(known, getSymbol()))
    return emitOpError("knows no hyperparameter \"") << getSymbol() << "\"";
  return success();
}
