//===- Train.cpp - The train dialect: registration, helpers, variables ----===//

#include "Train/IR/Train.h"

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

StringRef train::getName(Operation *op) {
  auto name = op->getAttrOfType<StringAttr>(kNameAttr);
  return name ? name.getValue() : StringRef();
}
std::optional<Phase> train::getPhase(Operation *op) {
  auto phase = op->getAttrOfType<PhaseAttr>(kPhaseAttr);
  return phase ? std::optional(phase.getValue()) : std::nullopt;
}
void train::setName(Operation *op, StringRef name) {
  op->setDiscardableAttr(kNameAttr, StringAttr::get(op->getContext(), name));
}
void train::setPhase(Operation *op, Phase phase) {
  op->setDiscardableAttr(kPhaseAttr, PhaseAttr::get(op->getContext(), phase));
}
void train::copyNameAndPhase(Operation *from, Operation *to, StringRef suffix) {
  if (StringRef name = getName(from); !name.empty())
    setName(to, (name + suffix).str());
  if (std::optional<Phase> phase = getPhase(from))
    setPhase(to, *phase);
}

bool train::isBackward(Operation *op) {
  std::optional<Phase> phase = getPhase(op);
  return phase == Phase::dgrad || phase == Phase::wgrad;
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

std::optional<train::GradientSum> train::getGradientSum(AddOp add) {
  Value first = add.getLhs();
  bool keepsType = true; // of the sum, from the first term on
  while (auto sum = first.getDefiningOp<AddOp>()) {
    keepsType &= sum.getType() == add.getType();
    first = sum.getLhs();
  }
  Operation *last = add;
  while (isa<AddOp>(last)) {
    if (!last->hasOneUse())
      return std::nullopt;
    Operation *user = *last->user_begin();
    if (isa<AddOp>(user) && user->getOperand(0) != last->getResult(0))
      return std::nullopt;
    last = user;
  }
  auto assign = dyn_cast<AssignOp>(last);
  if (!assign)
    return std::nullopt;
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

int64_t train::getLayer(StringRef name) {
  while (!name.empty()) {
    auto [component, rest] = name.split('/');
    auto [word, number] = component.rsplit('.');
    uint16_t layer; // a larger number counts something else
    if (!word.empty() && !number.getAsInteger(10, layer))
      return layer;
    name = rest;
  }
  return -1;
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

LogicalResult VariableOp::verify() {
  auto dense = dyn_cast<DenseElementsAttr>(getInit());
  if (!dense && !isa<NormalInitAttr, ConstantInitAttr, FileInitAttr>(getInit()))
    return emitOpError("init must be #train.normal, #train.constant or "
                       "#train.file, but is ")
           << getInit();
  if (dense && (!dense.getElementType().isF32() ||
                dense.getType().getShape() != fp8::getShape(getType())))
    return emitOpError("starts with values of ")
           << dense.getType() << ", which must be f32 of its shape";
  auto tensor = dyn_cast<ShapedType>(getType());
  if (tensor && !tensor.hasStaticShape())
    return emitOpError("must have a static shape, but is ") << tensor;
  auto file = dyn_cast<FileInitAttr>(getInit());
  if (!file || !tensor)
    return success();
  Type stored = file.getTypeInFile(tensor.getElementType());
  if (file.getType() &&
      (!isa<FloatType>(tensor.getElementType()) ||
       !isa<Float32Type, Float64Type, Float16Type, BFloat16Type>(stored)))
    return emitOpError("starts with data of ")
           << stored << "; it can be f32, f64, f16 or bf16, of floats";
  uint64_t size = tensor.getNumElements() *
                  llvm::divideCeil(stored.getIntOrFloatBitWidth(), 8);
  if (file.getSize() != size)
    return emitOpError() << tensor << " takes " << size
                         << " bytes, but init gives " << file.getSize();
  return success();
}

/// Files hold floats as f32, whatever a recipe stores them as.
Type FileInitAttr::getTypeInFile(Type element) {
  if (getType())
    return getType();
  return isa<FloatType>(element) ? Float32Type::get(getContext()) : element;
}

LogicalResult VariableOp::verifySymbolUses(SymbolTableCollection &symbols) {
  if (!getOfAttr() ||
      symbols.lookupNearestSymbolFrom<VariableOp>(*this, getOfAttr()))
    return success();
  return emitOpError("belongs to ")
         << getOfAttr() << ", which is no train.variable";
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
  return success();
}

LogicalResult ReadOp::verifySymbolUses(SymbolTableCollection &symbols) {
  return verifyVariableUse(*this, getVariableAttr(), getValue().getType(),
                           symbols);
}
LogicalResult AssignOp::verifySymbolUses(SymbolTableCollection &symbols) {
  return verifyVariableUse(*this, getVariableAttr(), getValue().getType(),
                           symbols);
}

/// A scale that is stored beside a variable of scaled type.
static LogicalResult verifyScaleOf(Operation *op, Attribute name,
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
  return success();
}

LogicalResult StoredScaleOp::verifySymbolUses(SymbolTableCollection &symbols) {
  return verifyScaleOf(*this, getVariableAttr(), getScale().getType(), symbols);
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
    if (failed(verifyScaleOf(*this, name, cast<fp8::ScaleType>(scale.getType()),
                             symbols)))
      return failure();
    auto variable = symbols.lookupNearestSymbolFrom<VariableOp>(
        *this, cast<FlatSymbolRefAttr>(name));
    if (!llvm::is_contained({Role::parameter, Role::compute_weight,
                             Role::moment1, Role::moment2},
                            variable.getRole()))
      return emitOpError("has no bound for ")
             << name << ", a " << stringifyRole(variable.getRole());
  }
  for (Value gradient : getGradients())
    if (!isa<fp8::ScaledType, fp8::StatsType>(gradient.getType()) &&
        !fp8::getShape(gradient.getType()).empty())
      return emitOpError(
                 "needs gradients as scaled tensors or amaxes, but got ")
             << gradient.getType();
  return success();
}

LogicalResult HyperOp::verify() {
  static constexpr llvm::StringLiteral known[] = {
      "lr",        "beta1", "beta2",      "eps", "weight_decay",
      "clip_norm", "step",  "grad_scale", "seed"};
  if (!llvm::is_contained(known, getSymbol()))
    return emitOpError("knows no hyperparameter \"") << getSymbol() << "\"";
  return success();
}

//===----------------------------------------------------------------------===//
// Fusions
//===----------------------------------------------------------------------===//

// train.fusion rows(%a = %x : tensor<..>) -> tensor<..> attr-dict { ... }
ParseResult FusionOp::parse(OpAsmParser &parser, OperationState &result) {
  StringRef keyword;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseKeyword(&keyword))
    return failure();
  auto skeleton = symbolizeSkeleton(keyword);
  if (!skeleton)
    return parser.emitError(loc,
                            "expected a skeleton: map, rows, columns or sum");
  result.getOrAddProperties<FusionOp::Properties>().skeleton =
      SkeletonAttr::get(parser.getContext(), *skeleton);
  SmallVector<OpAsmParser::Argument> arguments;
  SmallVector<OpAsmParser::UnresolvedOperand> operands;
  SmallVector<Type> types;
  auto parseOne = [&]() -> ParseResult {
    if (parser.parseArgument(arguments.emplace_back()) || parser.parseEqual() ||
        parser.parseOperand(operands.emplace_back()) ||
        parser.parseColonType(arguments.back().type))
      return failure();
    types.push_back(arguments.back().type);
    return success();
  };
  SMLoc operandsLoc = parser.getCurrentLocation();
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Paren, parseOne) ||
      parser.parseOptionalArrowTypeList(result.types) ||
      parser.parseOptionalAttrDictWithKeyword(result.attributes) ||
      parser.resolveOperands(operands, types, operandsLoc, result.operands))
    return failure();
  return parser.parseRegion(*result.addRegion(), arguments);
}

void FusionOp::print(OpAsmPrinter &printer) {
  printer << ' ' << stringifySkeleton(getSkeleton()) << '(';
  llvm::interleaveComma(llvm::zip(getBody().getArguments(), getInputs()),
                        printer, [&](auto pair) {
                          auto [argument, operand] = pair;
                          printer << argument << " = " << operand << " : "
                                  << operand.getType();
                        });
  printer << ')';
  printer.printOptionalArrowTypeList(getResultTypes());
  printer.printOptionalAttrDictWithKeyword(
      (*this)->getDiscardableAttrDictionary().getValue());
  printer << ' ';
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false);
}

LogicalResult PartialSumOp::verify() {
  ArrayRef<int64_t> in = fp8::getShape(getInput().getType()),
                    out = fp8::getShape(getOutput().getType());
  if (in.empty())
    return emitOpError("needs rows to sum over, but got a scalar");
  int64_t rows = ShapedType::getNumElements(in.drop_back());
  int64_t expected[] = {
      static_cast<int64_t>(llvm::divideCeil(rows, getBlockRows())), in.back()};
  if (out != ArrayRef<int64_t>(expected))
    return emitOpError("sums ")
           << rows << " rows of " << in.back() << " by " << getBlockRows()
           << ": the result must be " << expected[0] << "x" << expected[1];
  return success();
}

LogicalResult FusionOp::verify() {
  if (getBody().getArgumentTypes() != getInputs().getTypes())
    return emitOpError("body arguments must have the types of the operands");
  Block &block = getBody().front();
  auto yield = block.empty() ? YieldOp() : dyn_cast<YieldOp>(block.back());
  if (!yield || yield.getValues().getTypes() != getResultTypes())
    return emitOpError("body must yield values of the result types");
  return success();
}
