//===- KernelPrinter.cpp - Kernels as C++ functors ------------------------===//
//
// Values that are used once are printed where they are used, as a person would
// write them; the others become named constants.
//
//===----------------------------------------------------------------------===//

#include "Target/Source/KernelPrinter.h"

#include "Target/Common/Names.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/Format.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::exec;
using namespace fp8c::target;

std::string fp8c::target::getFloatLiteral(const APFloat &value) {
  float number = value.convertToFloat();
  if (value.isInfinity() || value.isNaN())
    return value.isNaN()        ? "__builtin_nanf(\"\")"
           : value.isNegative() ? "-__builtin_inff()"
                                : "__builtin_inff()";
  std::string text;
  // The fewest digits that read back as the same number.
  for (int digits = 1; digits <= 9; ++digits) {
    text.clear();
    llvm::raw_string_ostream(text)
        << llvm::format("%.*g", digits, static_cast<double>(number));
    if (std::strtof(text.c_str(), nullptr) == number)
      break;
  }
  if (text.find_first_of(".e") == std::string::npos)
    text += ".0";
  return text + "f";
}

std::string fp8c::target::getIntegerLiteral(const APInt &value) {
  if (value.getBitWidth() == 1)
    return value.isOne() ? "true" : "false";
  std::string bits = std::to_string(value.getBitWidth());
  // Its magnitude alone would be no number of the type.
  if (value.isMinSignedValue())
    return "INT" + bits + "_MIN";
  return "int" + bits + "_t(" + std::to_string(value.getSExtValue()) + ")";
}

namespace {
/// C++ precedence, as far as kernels need it.
enum Precedence { kPrimary, kUnary, kProduct, kSum, kCompare, kAny };

struct Expression {
  std::string text;
  Precedence precedence = kPrimary;

  std::string within(Precedence most) const {
    return precedence <= most ? text : "(" + text + ")";
  }
};

class Printer {
public:
  Printer(KernelOp kernel, bool isCUDA, Scope names, raw_ostream &os)
      : kernel(kernel), isCUDA(isCUDA), qualifier(isCUDA ? "__device__ " : ""),
        os(os), names(std::move(names)) {}
  void print();

private:
  void printBody(Block &block, unsigned indent);
  void printOp(Operation &op, unsigned indent);
  void printLoop(StringRef head, Region &region, unsigned indent,
                 StringRef tail);
  void declare(Operation &op, unsigned indent);
  void printLoads(Block &block, unsigned indent);
  void printPrefetches(unsigned indent, StringRef position);
  Expression getExpression(Operation *op);
  std::string use(Value value, Precedence most = kAny) {
    return expressions.lookup(value).within(most);
  }
  StringRef name(Value buffer) {
    return argumentNames[cast<BlockArgument>(buffer).getArgNumber()];
  }
  std::string at(Value buffer, Access access, int64_t period = 0);
  std::string element(Value buffer) {
    return getElementName(
        cast<BaseMemRefType>(buffer.getType()).getElementType());
  }
  StringRef amaxName(Value stats) {
    std::string &amax = amaxNames[stats];
    StringRef base = name(stats);
    if (amax.empty())
      amax = names.unique(
          base == "clamps"
              ? "quotient_amax"
              : ("amax" + base.substr(StringRef("stats").size())).str());
    return amax;
  }

  KernelOp kernel;
  bool isCUDA;
  StringRef qualifier; // of operator()
  raw_ostream &os;
  int copies = 0; // that are stored transposed so far
  DenseMap<Value, Expression> expressions;
  Scope names;
  SmallVector<std::string> argumentNames;
  DenseMap<Value, std::string> amaxNames;
};
} // namespace

/// "Pitched<1, 640>" for the rows of an argument that do not follow each
/// other; else empty.
static std::string getPitchName(KernelOp kernel, Value buffer) {
  Pitch pitch = kernel.getPitch(cast<BlockArgument>(buffer).getArgNumber());
  return pitch == Pitch{} ? ""
                          : "Pitched<" + std::to_string(pitch.parts) + ", " +
                                std::to_string(pitch.pitch) + ">";
}

std::string Printer::at(Value buffer, Access access, int64_t period) {
  bool columns = kernel.getSkeleton() == train::Skeleton::columns;
  bool sum = kernel.getSkeleton() == train::Skeleton::sum;
  std::string unit = columns                                        ? "block"
                     : kernel.getSkeleton() == train::Skeleton::map ? "chunk"
                                                                    : "row";
  std::string row = columns ? "i" : unit + ".index";
  switch (access) {
  case Access::full:
    if (std::string pitch = getPitchName(kernel, buffer); !pitch.empty())
      return unit + ".at(j, " + pitch + "{})";
    return sum ? "i" : columns ? "block.at(i, j)" : unit + ".at(j)";
  case Access::col:
    return "j";
  case Access::row:
    return row;
  case Access::scalar:
    return "0";
  case Access::tile:
    return row + " % " + std::to_string(period) + " * " + unit + ".cols + j";
  }
  llvm_unreachable("all accesses are handled");
}

static StringRef getSymbol(arith::CmpFPredicate predicate) {
  switch (predicate) {
  case arith::CmpFPredicate::OEQ:
    return "==";
  case arith::CmpFPredicate::UNE:
    return "!=";
  case arith::CmpFPredicate::OLT:
    return "<";
  case arith::CmpFPredicate::OLE:
    return "<=";
  case arith::CmpFPredicate::OGT:
    return ">";
  case arith::CmpFPredicate::OGE:
    return ">=";
  default:
    llvm_unreachable("C++ has the others only in negations");
  }
}

static StringRef getSymbol(arith::CmpIPredicate predicate) {
  switch (predicate) {
  case arith::CmpIPredicate::eq:
    return "==";
  case arith::CmpIPredicate::ne:
    return "!=";
  case arith::CmpIPredicate::slt:
  case arith::CmpIPredicate::ult: // of truth values
    return "<";
  case arith::CmpIPredicate::sle:
  case arith::CmpIPredicate::ule:
    return "<=";
  case arith::CmpIPredicate::sgt:
  case arith::CmpIPredicate::ugt:
    return ">";
  case arith::CmpIPredicate::sge:
  case arith::CmpIPredicate::uge:
    return ">=";
  }
  llvm_unreachable("all predicates are handled");
}

Expression Printer::getExpression(Operation *op) {
  auto binary = [&](StringRef symbol, Precedence precedence) -> Expression {
    // The right operand of a difference or quotient needs its own brackets.
    Precedence right = static_cast<Precedence>(precedence - 1);
    return {use(op->getOperand(0), precedence) + " " + symbol.str() + " " +
                use(op->getOperand(1), right),
            precedence};
  };
  auto function = [&](StringRef callee) -> Expression {
    std::string text = callee.str() + "(";
    for (auto [i, operand] : llvm::enumerate(op->getOperands()))
      text += (i ? ", " : "") + use(operand);
    return {text + ")", kPrimary};
  };
  // Comparisons do not follow each other as a reader would think.
  auto comparison = [&](StringRef symbol) -> Expression {
    return {use(op->getOperand(0), kSum) + " " + symbol.str() + " " +
                use(op->getOperand(1), kSum),
            kCompare};
  };
  auto conversion = [&] {
    auto type = op->getResult(0).getType();
    return function("convert<" + getElementName(type) + ">");
  };
  return TypeSwitch<Operation *, Expression>(op)
      .Case([&](LoadOp load) {
        return Expression{
            ("load(" + name(load.getBuffer()) + ", " +
             at(load.getBuffer(), load.getAccess(), load.getPeriod()) + ")")
                .str()};
      })
      .Case([&](arith::ConstantOp constant) {
        if (auto integer = dyn_cast<IntegerAttr>(constant.getValue()))
          return Expression{getIntegerLiteral(integer.getValue())};
        APFloat value = cast<FloatAttr>(constant.getValue()).getValue();
        return Expression{getFloatLiteral(value),
                          value.isNegative() ? kUnary : kPrimary};
      })
      .Case([&](arith::AddFOp) { return binary("+", kSum); })
      .Case([&](arith::SubFOp) { return binary("-", kSum); })
      .Case([&](arith::MulFOp) { return binary("*", kProduct); })
      .Case([&](arith::DivFOp) { return binary("/", kProduct); })
      .Case([&](arith::NegFOp) {
        return Expression{"-" + use(op->getOperand(0), kPrimary), kUnary};
      })
      .Case([&](arith::CmpFOp compare) {
        return comparison(getSymbol(compare.getPredicate()));
      })
      .Case([&](arith::CmpIOp compare) {
        return comparison(getSymbol(compare.getPredicate()));
      })
      .Case([&](arith::AddIOp) { return function("add"); })
      .Case([&](arith::SubIOp) { return function("subtract"); })
      .Case([&](arith::MulIOp) { return function("multiply"); })
      .Case([&](arith::DivSIOp) { return function("divide"); })
      .Case([&](arith::MinSIOp) { return function("smaller"); })
      .Case([&](arith::MaxSIOp) { return function("larger"); })
      .Case([&](arith::AndIOp) { return function("both"); })
      .Case([&](arith::OrIOp) { return function("either"); })
      .Case([&](arith::XOrIOp) { return comparison("!="); })
      .Case<arith::FPToSIOp, arith::SIToFPOp, arith::UIToFPOp, arith::ExtSIOp,
            arith::ExtUIOp, arith::TruncIOp>([&](auto) { return conversion(); })
      // Not ?:, which the host compiler turns into masked stores.
      .Case([&](arith::SelectOp) { return function("select"); })
      .Case([&](arith::TruncFOp trunc) {
        return expressions.lookup(trunc.getIn());
      })
      .Case([&](arith::ExtFOp extend) {
        auto narrow = getElementName(extend.getIn().getType());
        return Expression{"round_to<" + narrow + ">(" + use(extend.getIn()) +
                          ")"};
      })
      .Case([&](arith::MaximumFOp) { return function("max"); })
      .Case([&](arith::MinimumFOp) { return function("min"); })
      .Case([&](ClampOp clamp) {
        return Expression{"clamp(" + use(clamp.getValue()) + ", " +
                          use(clamp.getLimit()) + ", " +
                          amaxName(clamp.getStats()).str() + ")"};
      })
      .Case([&](math::ExpOp) { return function("exp"); })
      .Case([&](math::LogOp) { return function("log"); })
      .Case([&](math::SqrtOp) { return function("sqrt"); })
      .Case([&](math::RsqrtOp) { return function("rsqrt"); })
      .Case([&](math::TanhOp) { return function("tanh"); })
      .Case([&](math::ErfOp) { return function("erf"); })
      .Case([&](math::SinOp) { return function("sin"); })
      .Case([&](math::CosOp) { return function("cos"); })
      .Case([&](math::FloorOp) { return function("floor"); })
      .Case([&](math::CeilOp) { return function("ceil"); })
      .Case([&](math::RoundEvenOp) { return function("round_to_even"); })
      .Case([&](math::AbsFOp) { return function("abs"); })
      .Case([&](math::PowFOp) { return function("pow"); })
      .Default([](Operation *op) -> Expression {
        llvm::report_fatal_error("no C++ for " + op->getName().getStringRef());
      });
}

void Printer::printLoop(StringRef head, Region &region, unsigned indent,
                        StringRef tail) {
  Block &block = region.front();
  auto yield = dyn_cast<exec::YieldOp>(block.empty() ? nullptr : &block.back());
  os.indent(indent) << head << " {\n";
  if (isCUDA && getAcrossRows(kernel) && isElementwise(kernel))
    printPrefetches(indent + 2, "j, ");
  if (isCUDA)
    printLoads(block, indent + 2);
  printBody(block, indent + 2);
  if (yield)
    os.indent(indent + 2) << "return " << use(yield.getValue()) << ";\n";
  os.indent(indent) << "}" << tail << "\n";
}

/// Loads that would stand behind a store, all at once at the start: the
/// device's compiler does not know that they are of other memory, and a thread
/// would wait for one after the other.
void Printer::printLoads(Block &block, unsigned indent) {
  bool isBehindStore = false;
  for (Operation &op : block) {
    isBehindStore |= isa<StoreOp, QuantizeOp>(op);
    auto load = dyn_cast<LoadOp>(op);
    if (load && isBehindStore && load.getAccess() == Access::full)
      declare(op, indent);
  }
}

/// What will be read of the next row: at its start where a team works on whole
/// rows, from element to element where nothing is reduced.
void Printer::printPrefetches(unsigned indent, StringRef position) {
  llvm::SmallSetVector<Value, 4> buffers;
  kernel.walk([&](LoadOp load) {
    if (load.getAccess() == Access::full)
      buffers.insert(load.getBuffer());
  });
  os.indent(indent) << "row.prefetch_next(" << position;
  llvm::interleaveComma(buffers, os, [&](Value buffer) {
    std::string pitch = getPitchName(kernel, buffer);
    os << (pitch.empty() ? name(buffer)
                         : pitch + "::pointer(" + name(buffer) + ")");
  });
  os << ");\n";
}

/// Gives a value a name of its own.
void Printer::declare(Operation &op, unsigned indent) {
  std::string base = "t";
  if (auto load = dyn_cast<LoadOp>(op))
    base = (name(load.getBuffer()) + "_").str();
  std::string variable = names.unique(base);
  // auto: a float, or on a GPU the pack of neighbours that a thread works on.
  os.indent(indent) << "const auto " << variable << " = "
                    << getExpression(&op).text << ";\n";
  expressions[op.getResult(0)] = {variable};
}

void Printer::printOp(Operation &op, unsigned indent) {
  StringRef unit =
      kernel.getSkeleton() == train::Skeleton::map ? "chunk" : "row";
  if (auto each = dyn_cast<EachOp>(op))
    return printLoop((unit + ".each([&](auto j)").str(), each.getBody(), indent,
                     ");");
  if (auto reduce = dyn_cast<ReduceOp>(op)) {
    std::string kind = stringifyReduction(reduce.getKind()).str();
    std::string variable = names.unique("row_" + kind);
    expressions[reduce] = {variable};
    return printLoop(
        ("const float " + variable + " = row." + kind + "([&](auto j)"),
        reduce.getBody(), indent, ");");
  }
  if (auto sum = dyn_cast<ColumnSumOp>(op))
    return printLoop("block.sum(" + name(sum.getTarget()).str() + ", " +
                         (sum.getUnlessFirst()  ? "accumulate"
                          : sum.getAccumulate() ? "/*accumulate=*/true"
                                                : "/*accumulate=*/false") +
                         ", [&](auto i, auto j)",
                     sum.getBody(), indent, ");");
  if (auto total = dyn_cast<TotalOp>(op))
    return printLoop(("template <class Index> " + qualifier +
                      "auto operator()(Index i) const")
                         .str(),
                     total.getBody(), indent, "");
  if (auto store = dyn_cast<StoreOp>(op)) {
    os.indent(indent) << "store(" << name(store.getBuffer()) << ", "
                      << at(store.getBuffer(), store.getAccess()) << ", "
                      << use(store.getValue()) << ");\n";
    return;
  }
  if (auto quantize = dyn_cast<QuantizeOp>(op)) {
    Value buffer = quantize.getBuffer(), transposed = quantize.getTransposed();
    std::string type = element(buffer ? buffer : transposed),
                index = buffer ? at(buffer, Access::full) : "";
    std::string value =
        use(quantize.getValue(), quantize.getStats() ? kAny : kProduct);
    std::string scale = use(quantize.getScale(),
                            quantize.getStats() ? kAny : kUnary),
                code;
    if (quantize.getStats())
      code = "quantize<" + type + ">(" + value + ", " + scale + ", " +
             amaxName(quantize.getStats()).str();
    else
      code = "from_float<" + type + ">(" + value + " * " + scale;
    if (quantize.getKey())
      code += ", rounding_bits(uint32_t(" + use(quantize.getKey()) + "), " +
              index + ", " + std::to_string(*quantize.getStochastic()) + ")";
    code += ")";
    // What is needed twice is converted once.
    if ((buffer && transposed) || quantize.getCode()) {
      std::string variable = names.unique("code");
      os.indent(indent) << "const auto " << variable << " = " << code << ";\n";
      code = variable;
    }
    if (quantize.getCode())
      expressions[quantize.getCode()] = {"to_float(" + code + ")"};
    if (buffer)
      os.indent(indent) << "store(" << name(buffer) << ", " << index << ", "
                        << code << ");\n";
    if (transposed)
      os.indent(indent) << "row.store_transposed(" << name(transposed)
                        << ", j, " << code
                        << (copies ? ", /*copy=*/" + std::to_string(copies)
                                   : "")
                        << ");\n";
    copies += transposed ? 1 : 0;
    return;
  }
  if (auto sum = dyn_cast<PartialSumOp>(op)) {
    os.indent(indent) << "row.partial_sum(Slot<" << sum.getSlot() << ">{}, "
                      << name(sum.getTarget()) << ", j, " << use(sum.getValue())
                      << ");\n";
    return;
  }
  if (auto amax = dyn_cast<AmaxOp>(op)) {
    os.indent(indent) << "count(" << amaxName(amax.getStats()) << ", "
                      << use(amax.getValue()) << ");\n";
    return;
  }
  Value value = op.getResult(0);
  if (expressions.contains(value))
    return; // loaded already
  Expression expression = getExpression(&op);
  bool once = value.hasOneUse() &&
              value.getUses().begin()->getOwner()->getBlock() == op.getBlock();
  // A narrow value only ever stands inside of its widening.
  if (isa<arith::TruncFOp>(op) || isa<arith::ConstantOp>(op) ||
      (once && expression.text.size() < 60)) {
    expressions[value] = expression;
    return;
  }
  declare(op, indent);
}

void Printer::printBody(Block &block, unsigned indent) {
  for (Operation &op : block)
    if (!isa<exec::YieldOp>(op))
      printOp(op, indent);
}

void Printer::print() {
  train::Skeleton skeleton = kernel.getSkeleton();
  Block &body = kernel.getBody().front();
  for (StringAttr name : kernel.getArgNames().getAsRange<StringAttr>())
    argumentNames.push_back(names.unique(toIdentifier(name)));
  os << "struct " << toTypeName(kernel.getSymName()) << " {\n";
  for (BlockArgument argument : body.getArguments()) {
    bool isInput =
        argument.getArgNumber() < static_cast<unsigned>(kernel.getInputs());
    os << "  " << (isInput ? "const " : "") << element(argument) << " *"
       << name(argument) << ";\n";
  }
  if (dependsOnMicroBatch(kernel))
    os << "  bool accumulate; // unless this is the first micro-batch of a "
          "step\n";
  os << "\n";
  if (skeleton == train::Skeleton::sum) {
    printBody(body, 2);
    os << "};\n";
    return;
  }
  StringRef unit = skeleton == train::Skeleton::map    ? "chunk"
                   : skeleton == train::Skeleton::rows ? "row"
                                                       : "block";
  std::string type = toTypeName(unit);
  os << "  template <class " << type << "> " << qualifier << "void operator()("
     << type << " &" << unit << ") const {\n";
  SmallVector<Value> stats;
  for (BlockArgument argument : body.getArguments())
    if (element(argument) == "Stats")
      stats.push_back(argument);
  if (isCUDA && getAcrossRows(kernel) && !isElementwise(kernel))
    printPrefetches(4, "");
  for (Value argument : stats)
    os << "    Amax " << amaxName(argument) << ";\n";
  printBody(body, 4);
  for (Value argument : stats)
    os << "    " << unit << ".commit(" << amaxName(argument) << ", "
       << name(argument) << ");\n";
  os << "  }\n};\n";
}

void fp8c::target::printKernel(KernelOp kernel, bool isCUDA, raw_ostream &os) {
  (void)printScope(os, [&](Scope names, raw_ostream &os) {
    Printer(kernel, isCUDA, std::move(names), os).print();
    return success();
  });
}
