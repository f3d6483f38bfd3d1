//===- Roofline.cpp - What a program costs at least -----------------------===//
//
// Every op takes at least the longer of two times: that of its arithmetic and
// that of moving its buffers once. Ops that are the same but for the layer are
// one line.
//
//===----------------------------------------------------------------------===//

#include "Analysis/Roofline.h"

#include "Exec/IR/Exec.h"
#include "Train/IR/Functions.h"
#include "core/Escape.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::exec;
using namespace fp8c::target;

namespace {
/// What ops are told apart by in the totals, in the order of the table.
enum Class {
  gemmForward,
  gemmDgrad,
  gemmWgrad,
  gemmRecompute,
  head,
  attention,
  embedding,
  elementwise,
  optimizer
};
constexpr llvm::StringLiteral kClassNames[] = {
    "gemm fwd",       "gemm dgrad",    "gemm wgrad",
    "gemm recompute", "head and loss", "attention",
    "embedding",      "element-wise",  "optimizer"};

struct Sum {
  int64_t count = 0;
  double flops = 0, bytes = 0, seconds = 0;
  void add(const Cost &cost, double bound) {
    ++count;
    flops += cost.flops;
    bytes += cost.bytes;
    seconds += bound;
  }
};

struct Group : Sum {
  Class classOf;
  bool isCompute = false;
  std::string text;
};

class Roofline {
public:
  Roofline(ModuleOp module, const GPU &gpu)
      : module(module), gpu(gpu), symbols(module) {}
  void add(func::FuncOp function);
  void print(unsigned count, llvm::raw_ostream &os);

private:
  Class classify(Operation *op) const;
  double getModelFlops(func::FuncOp function);

  ModuleOp module;
  const GPU &gpu;
  SymbolTable symbols;
  llvm::MapVector<Attribute, Group> groups;
  Sum totals[std::size(kClassNames)];
  double modelFlops = 0;
};
} // namespace

Class Roofline::classify(Operation *op) const {
  std::optional<train::Phase> phase = train::getPhase(op);
  if (phase == train::Phase::update)
    return optimizer;
  if (isa<exec::AttentionOp, AttentionBackwardOp>(op))
    return attention;
  if (isa<exec::EmbeddingOp, EmbeddingBackwardOp>(op))
    return embedding;
  if (isa<exec::CrossEntropyOp, CrossEntropyBackwardOp, CrossEntropyRowsOp,
          CrossEntropyFusedOp>(op))
    return head;
  if (!isa<GemmOp>(op))
    return elementwise;
  // Products outside of the layers make the logits.
  if (train::getLayer(train::getName(op)) < 0)
    return head;
  return phase == train::Phase::dgrad       ? gemmDgrad
         : phase == train::Phase::wgrad     ? gemmWgrad
         : phase == train::Phase::recompute ? gemmRecompute
                                            : gemmForward;
}

/// "h.*/mlp/fc" for "h.3/mlp/fc".
static std::string withoutLayers(StringRef name) {
  SmallVector<std::string> parts;
  for (StringRef op : llvm::split(name, " + ")) {
    std::string part;
    for (StringRef component : llvm::split(op, "/")) {
      auto [word, number] = component.rsplit('.');
      bool isLayer = !number.empty() && llvm::all_of(number, llvm::isDigit);
      part += (part.empty() ? "" : "/") +
              (isLayer ? word.str() + ".*" : component.str());
    }
    if (!llvm::is_contained(parts, part))
      parts.push_back(part);
  }
  return llvm::join(parts, " + ");
}

static std::string describe(Operation *op) {
  auto element = [](Value value) {
    std::string text;
    llvm::raw_string_ostream(text)
        << cast<MemRefType>(value.getType()).getElementType();
    return text;
  };
  std::string text;
  llvm::raw_string_ostream os(text);
  if (auto gemm = dyn_cast<GemmOp>(op)) {
    os << "gemm " << gemm.getM() << "x" << gemm.getN() << "x" << gemm.getK()
       << " " << element(gemm.getA()) << " x " << element(gemm.getB())
       << (gemm.getAccumulate() ? " += " : " -> ") << element(gemm.getC())
       << (gemm.getFastAccum() ? " fast" : "");
    if (gemm.getBatch() != 1)
      os << " x " << gemm.getBatch();
  } else if (auto launch = dyn_cast<LaunchOp>(op)) {
    os << launch.getKernel() << " " << launch.getRows() << "x"
       << launch.getCols();
  } else if (auto launch = dyn_cast<LaunchMultiOp>(op)) {
    os << launch.getKernel() << " " << launch.getNumMatrices() << " matrices";
  } else {
    os << op->getName().stripDialect();
  }
  std::optional<train::Phase> phase = train::getPhase(op);
  if (StringRef name = train::getName(op); !name.empty())
    os << "  " << runtime::printable(withoutLayers(name));
  if (phase && phase != train::Phase::fwd)
    os << " (" << train::stringifyPhase(*phase) << ")";
  return text;
}

/// As papers count a step: 6 x parameters x tokens, and attention's two
/// products forward, four backward. Tables that are only looked up, as that of
/// positions, are left out: no product reads them.
double Roofline::getModelFlops(func::FuncOp function) {
  llvm::StringSet<> contracted;
  double attention = 0;
  bool trains = train::getFunctionKind(function) == train::FunctionKind::micro;
  for (Operation &op : function.getBody().front()) {
    if (auto call = dyn_cast<exec::AttentionOp>(op);
        call && train::getPhase(call) != train::Phase::recompute)
      attention += call.getCost(symbols).flops * (trains ? 3 : 1);
    if (isa<GemmOp>(op))
      for (Value operand : op.getOperands())
        if (auto get = operand.getDefiningOp<GetOp>()) {
          auto variable = symbols.lookup<exec::VariableOp>(get.getVariable());
          contracted.insert(variable.getOf().value_or(variable.getSymName()));
        }
  }
  double parameters = 0;
  for (auto variable : module.getOps<exec::VariableOp>()) {
    MemRefType type = variable.getBufferType();
    if (variable.getRole() == train::Role::parameter &&
        (type.getRank() < 2 || contracted.contains(variable.getSymName())))
      parameters += type.getNumElements();
  }
  double tokens =
      cast<MemRefType>(function.getArgumentTypes().front()).getNumElements();
  return parameters * tokens * (trains ? 6 : 2) + attention;
}

void Roofline::add(func::FuncOp function) {
  bool isUpdate =
      train::getFunctionKind(function) == train::FunctionKind::update;
  if (!isUpdate)
    modelFlops += getModelFlops(function);
  Builder builder(module.getContext());
  for (Operation &op : function.getBody().front()) {
    auto work = dyn_cast<WorkOpInterface>(op);
    if (!work)
      continue;
    Cost cost = work.getCost(symbols);
    double bound = gpu.getBound(cost);
    Class kind = isUpdate ? optimizer : classify(&op);
    std::string text = describe(&op);
    Group &group = groups[builder.getStringAttr(text)];
    group.classOf = kind;
    group.isCompute =
        cost.flops / gpu.getRate(cost) > cost.bytes / gpu.bandwidth;
    group.text = text;
    group.add(cost, bound);
    totals[kind].add(cost, bound);
  }
}

static void printSum(const Sum &sum, llvm::raw_ostream &os) {
  os << llvm::formatv("{0,6} {1,12:f1} {2,12:f1} {3,10:f3}", sum.count,
                      sum.flops / 1e9, sum.bytes / 1e6, sum.seconds * 1e3);
}

void Roofline::print(unsigned count, llvm::raw_ostream &os) {
  os << "bound on " << gpu.name << ": " << gpu.source << "\n\n"
     << llvm::formatv("{0,-14} {1,6} {2,12} {3,12} {4,10}\n", "class", "ops",
                      "GFLOP", "MB", "bound ms");
  Sum total;
  for (auto [name, sum] : llvm::zip(kClassNames, totals)) {
    if (!sum.count)
      continue;
    os << llvm::formatv("{0,-14} ", name);
    printSum(sum, os);
    os << "\n";
    total.count += sum.count;
    total.flops += sum.flops;
    total.bytes += sum.bytes;
    total.seconds += sum.seconds;
  }
  os << llvm::formatv("{0,-14} ", "total");
  printSum(total, os);
  os << llvm::formatv("\nmodel FLOPs (6 x parameters x tokens + attention): "
                      "{0:f3} TFLOP, at the bound {1:f1} TFLOP/s\n\n",
                      modelFlops / 1e12, modelFlops / total.seconds / 1e12);

  SmallVector<const Group *> order;
  for (auto &[key, group] : groups)
    order.push_back(&group);
  llvm::stable_sort(order,
                    [](auto *a, auto *b) { return a->seconds > b->seconds; });
  os << llvm::formatv("{0,6} {1,12} {2,12} {3,10}  {4,-8} {5}\n", "ops",
                      "GFLOP", "MB", "bound ms", "bound by", "what");
  for (const Group *group : ArrayRef(order).take_front(count)) {
    printSum(*group, os);
    os << llvm::formatv("  {0,-8} {1}\n",
                        group->isCompute ? "compute" : "memory", group->text);
  }
  if (order.size() > count)
    os << order.size() - count << " more (--top)\n";
}

void fp8c::printRoofline(ModuleOp module, const GPU &gpu, unsigned count,
                         llvm::raw_ostream &os) {
  Roofline roofline(module, gpu);
  auto find = [&](train::FunctionKind kind) {
    return train::findFunction(module, kind);
  };
  func::FuncOp micro = find(train::FunctionKind::micro);
  for (func::FuncOp function :
       {micro ? micro : find(train::FunctionKind::forward),
        find(train::FunctionKind::update)})
    if (function)
      roofline.add(function);
  roofline.print(count, os);
}
