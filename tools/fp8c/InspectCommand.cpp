//===- InspectCommand.cpp - fp8c inspect ----------------------------------===//
//
// What a compiled program is made of: memory by class of variable, and the
// format of every contraction's operands, read from the program's own IR; or
// what it takes at least on a GPU.
//
//   $ fp8c inspect tiny.fp8x
//   $ fp8c inspect tiny.fp8x --roofline --gpu h100
//
//===----------------------------------------------------------------------===//

#include "InspectCommand.h"

#include "Analysis/ProductSummary.h"
#include "Analysis/Roofline.h"
#include "AutoRecipe/StateBytes.h"
#include "Diagnostics.h"
#include "Exec/IR/Exec.h"
#include "FP8/IR/Precision.h"
#include "Train/IR/Functions.h"
#include "core/Escape.h"
#include "fp8c/Pipelines.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"

using namespace mlir;
using namespace fp8c;

static std::string getText(Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << cast<MemRefType>(type).getElementType();
  return text;
}

/// "f8E4M3FN/1x128"; the granularity is left out where a scale is of the
/// tensor.
static std::string getText(Type type,
                           std::optional<fp8::Granularity> granularity) {
  return getText(type) +
         (granularity ? "/" + fp8::stringifyGranularity(*granularity).str()
                      : "");
}

static std::string getPhaseText(Operation *op) {
  std::optional<train::Phase> phase = train::getPhase(op);
  return phase ? train::stringifyPhase(*phase).str() : "";
}

static std::string getReason(Operation *op) {
  auto why = op->getAttrOfType<StringAttr>(train::kWhyAttr);
  return why ? runtime::printable(why.getValue()) : "";
}

static void printVariables(ModuleOp module, llvm::raw_ostream &os) {
  struct Class {
    int64_t count = 0, elements = 0, bytes = 0;
    std::string example;
  };
  // What has one role and format for one reason is one line.
  std::map<std::tuple<train::Role, std::string, std::string>, Class> classes;
  StateBytes states;
  SymbolTable symbols(module);
  for (auto variable : module.getOps<exec::VariableOp>()) {
    MemRefType type = variable.getBufferType();
    std::string format = getText(type);
    if (FlatSymbolRefAttr scale = variable.getScaleAttr())
      format +=
          exec::isScalePair(
              symbols.lookup<exec::VariableOp>(scale.getAttr()).getBufferType())
              ? " scaled"
              : " tiled";
    Class &entry = classes[{variable.getRole(), format, getReason(variable)}];
    if (++entry.count == 1)
      entry.example = runtime::printable(variable.getSymName());
    entry.elements += type.getNumElements();
    entry.bytes += exec::getByteSize(type);
    states.add(variable.getRole(), type.getNumElements(),
               exec::getByteSize(type));
  }
  os << "variables        format              count       elements          "
        "bytes  first, and why\n";
  for (auto &[key, entry] : classes) {
    auto &[role, format, why] = key;
    os << llvm::format("%-16s %-17s %7lld %14lld %14lld  ",
                       train::stringifyRole(role).str().c_str(), format.c_str(),
                       static_cast<long long>(entry.count),
                       static_cast<long long>(entry.elements),
                       static_cast<long long>(entry.bytes))
       << entry.example << (why.empty() ? "" : ": ") << why << "\n";
  }
  if (double bytes = states.perParameter())
    os << llvm::format(
        "state bytes per parameter: %.2f (parameter + gradient + moments)\n",
        bytes);
}

static void printFunctions(ModuleOp module, llvm::raw_ostream &os) {
  os << "\nfunction      ops   gemms   launches     arena bytes    lower "
        "bound\n";
  for (func::FuncOp function : train::getFunctions(module)) {
    int64_t ops = 0, gemms = 0, launches = 0;
    for (Operation &op : function.getBody().front()) {
      ++ops;
      gemms += isa<exec::GemmOp>(op);
      launches += isa<exec::LaunchOp>(op);
    }
    auto bytes = [&](StringRef name) {
      auto attr = function->getAttrOfType<IntegerAttr>(name);
      return static_cast<long long>(attr ? attr.getInt() : 0);
    };
    os << llvm::format(
        "%-10s %6lld  %6lld  %9lld %15lld %14lld\n",
        function.getName().str().c_str(), static_cast<long long>(ops),
        static_cast<long long>(gemms), static_cast<long long>(launches),
        bytes(exec::kPeakAttr), bytes(exec::kLowerBoundAttr));
  }
  auto kernels = module.getOps<exec::KernelOp>();
  os << std::distance(kernels.begin(), kernels.end()) << " kernels\n";
}

static void printContractions(func::FuncOp function, llvm::raw_ostream &os) {
  os << "\ncontraction of @" << function.getName()
     << "      phase        m       n       k  a                 "
        "b                 c     why\n";
  for (auto gemm : function.getOps<exec::GemmOp>())
    os << llvm::format(
              "%-26s %-6s %7lld %7lld %7lld  %-17s %-17s %-4s%s",
              runtime::printable(train::getName(gemm)).c_str(),
              getPhaseText(gemm).c_str(), static_cast<long long>(gemm.getM()),
              static_cast<long long>(gemm.getN()),
              static_cast<long long>(gemm.getK()),
              getText(gemm.getA().getType(), gemm.getGranularityA()).c_str(),
              getText(gemm.getB().getType(), gemm.getGranularityB()).c_str(),
              getText(gemm.getC().getType()).c_str(),
              gemm.getAccumulate() ? " +=" : "")
       << "  " << getReason(gemm) << "\n";
}

namespace {
struct InspectArguments {
  std::string path, gpu = "h100";
  bool roofline = false;
  unsigned top = 20;
};
} // namespace

static int inspect(const InspectArguments &args) {
  const std::string &path = args.path;
  DialectRegistry registry;
  registerDialects(registry);
  MLIRContext context(registry);
  DiagnosticPrinter diagnostics(context, /*remarks=*/false);
  std::string file = path + "/program.mlir";
  if (!llvm::sys::fs::exists(file)) {
    llvm::errs()
        << "fp8c: error: " << runtime::printable(path)
        << " is no compiled program: it holds no program.mlir\n"
        << "hint: make one with fp8c compile MODEL.onnx -o PROGRAM.fp8x\n";
    return 1;
  }
  OwningOpRef<ModuleOp> module = parseSourceFile<ModuleOp>(file, &context);
  if (!module)
    return 1;
  auto text = [&](StringRef name) {
    auto attr = (*module)->getAttrOfType<StringAttr>(name);
    return attr ? runtime::printable(attr.getValue()) : "?";
  };
  llvm::outs() << runtime::printable(path) << ": " << text(train::kModelAttr)
               << ", recipe " << text(fp8::kRecipeAttr);
  if ((*module)->hasAttr(train::kRecomputeAttr))
    llvm::outs() << ", recomputes " << text(train::kRecomputeAttr);
  llvm::outs() << "\n";
  if (std::string summary = getProductSummary(*module); !summary.empty())
    llvm::outs() << summary << "\n";
  llvm::outs() << "\n";
  if (args.roofline) {
    auto gpu = llvm::find_if(target::getGPUs(),
                             [&](auto &gpu) { return gpu.name == args.gpu; });
    printRoofline(*module, *gpu, args.top, llvm::outs());
    return 0;
  }
  printVariables(*module, llvm::outs());
  printFunctions(*module, llvm::outs());
  for (auto kind : {train::FunctionKind::micro, train::FunctionKind::forward})
    if (func::FuncOp function = train::findFunction(*module, kind)) {
      printContractions(function, llvm::outs());
      break;
    }
  return 0;
}

void fp8c::addInspectCommand(CLI::App &app, std::function<int()> &action) {
  auto args = std::make_shared<InspectArguments>();
  CLI::App *command =
      app.add_subcommand("inspect", "Tell what a compiled program is made of");
  command->add_option("program", args->path, "Program folder")->required();
  command->add_flag(
      "--roofline", args->roofline,
      "Tell FLOPs, bytes and the least time of a micro-batch and an update");
  std::vector<std::string> names;
  for (const target::GPU &gpu : target::getGPUs())
    names.push_back(gpu.name.str());
  command->add_option("--gpu", args->gpu, "GPU that the roofline is of")
      ->check(CLI::IsMember(names))
      ->capture_default_str();
  command->add_option("--top", args->top, "Lines of the roofline's list of ops")
      ->capture_default_str();
  command->callback(
      [args, &action] { action = [args] { return inspect(*args); }; });
}
