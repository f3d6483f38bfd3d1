//===- SourcePrinter.cpp - A program as C++ or CUDA C++ -------------------===//
//
// Both targets print the same text but for what their kernel libraries need to
// know besides: CUDA calls take the stream first, and row kernels their width
// as a constant, so that loops over a row unroll and stay in registers.
//
//===----------------------------------------------------------------------===//

#include "Target/Source/SourcePrinter.h"

#include "Exec/IR/ExecPlan.h"
#include "Target/Common/Manifest.h"
#include "Target/Source/KernelPrinter.h"
#include "Target/Source/SourceModels.h"
#include "core/Escape.h"
#include "core/Hyper.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

#include "Target/Source/SourceOpInterface.cpp.inc"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::exec;
using namespace fp8c::target;

static void printConstant(ConstantOp constant, bool isCUDA, StringRef name,
                          raw_ostream &os) {
  os << (isCUDA ? "\n__device__ const " : "\nconst ")
     << getElementName(typeOf(constant).getElementType()) << " " << name
     << "[] = {";
  auto elements = cast<DenseElementsAttr>(constant.getValue());
  bool comma = false;
  if (isa<FloatType>(elements.getElementType())) {
    for (APFloat value : elements.getValues<APFloat>())
      os << (std::exchange(comma, true) ? ", " : "") << getFloatLiteral(value);
  } else {
    for (const APInt &value : elements.getValues<APInt>())
      os << (std::exchange(comma, true) ? ", " : "")
         << (value.getBitWidth() == 1   ? std::to_string(value.getZExtValue())
             : value.isMinSignedValue() ? getIntegerLiteral(value)
                                        : std::to_string(value.getSExtValue()));
  }
  os << "};\n";
}

static int64_t getInteger(Operation *op, StringRef name) {
  return op->getAttrOfType<IntegerAttr>(name).getInt();
}

static void printSignature(func::FuncOp function, SourceWriter &writer) {
  raw_ostream &os = writer.os;
  unsigned inputs = getInteger(function, kInputsAttr);
  auto name = [&](unsigned index) {
    auto attr = function.getArgAttrOfType<StringAttr>(index, train::kNameAttr);
    return attr ? toIdentifier(attr.getValue())
                : (index < inputs ? "in" : "out") + std::to_string(index);
  };
  os << "// " << function.getName() << "(";
  for (unsigned i = 0, e = function.getNumArguments(); i < e; ++i)
    os << (i == inputs ? (inputs ? ") -> (" : "")
           : i         ? ", "
                       : "")
       << name(i) << " "
       << getShapeText(
              cast<MemRefType>(function.getArgumentTypes()[i]).getShape());
  os << ")\n";
  auto peak = function->getAttrOfType<IntegerAttr>(kPeakAttr),
       least = function->getAttrOfType<IntegerAttr>(kLowerBoundAttr);
  if (peak && least)
    os << "// Temporaries: " << peak.getInt() << " bytes; at least "
       << least.getInt() << " live at once.\n";
  os << "extern \"C\" void fp8c_" << function.getName()
     << "(const Fp8cCall *call) {\n";
  if (writer.isCUDA)
    os << "  const Stream stream(call);\n";
  for (auto [index, argument] : llvm::enumerate(function.getArguments())) {
    std::string element = getElementName(typeOf(argument).getElementType());
    bool isInput = index < inputs;
    writer.declare(argument, name(index),
                   "static_cast<" + Twine(isInput ? "const " : "") + element +
                       " *>(call->" +
                       (isInput ? "inputs[" + Twine(index)
                                : "outputs[" + Twine(index - inputs)) +
                       "])");
  }
}

/// Is the function one that convert-to-exec has made?
static bool isLowered(func::FuncOp function) {
  auto inputs = function->getAttrOfType<IntegerAttr>(kInputsAttr);
  return inputs && inputs.getInt() >= 0 &&
         inputs.getInt() <= function.getNumArguments() &&
         llvm::all_of(function.getArgumentTypes(), isBuffer) &&
         function.getBody().hasOneBlock();
}

static LogicalResult printFunction(func::FuncOp function,
                                   SourceWriter &writer) {
  writer.os << "\n";
  printSignature(function, writer);
  for (Operation &op : function.getBody().front().without_terminator()) {
    auto source = dyn_cast<SourceOpInterface>(op);
    if (!source)
      return op.emitOpError("cannot be emitted: run convert-to-exec");
    if (failed(source.printSource(writer)))
      return failure();
  }
  writer.os << "}\n";
  return success();
}

static void printPrelude(ModuleOp module, bool isCUDA, raw_ostream &os) {
  auto text = [&](StringRef name, StringRef otherwise) {
    auto attr = module->getAttrOfType<StringAttr>(name);
    return runtime::commentText(attr ? attr.getValue() : otherwise);
  };
  os << "// " << text(train::kModelAttr, "model") << " with recipe "
     << text(fp8::kRecipeAttr, "f32") << ", emitted by fp8c for "
     << (isCUDA ? "CUDA" : "the CPU") << ".\n"
     << "// Kernels first, then the program's functions in the order in which "
        "they work.\n\n"
     << "#include \"core/ProgramABI.h\"\n"
     << "#include \"kernels/" << (isCUDA ? "cuda/kernels.cuh" : "cpu/kernels.h")
     << "\"\n\n"
     << "namespace fp8c {\nnamespace {\n\n"
     << "// Places in Fp8cCall::hyper.\nnamespace hyper {\nenum {";
  for (auto [i, name] : llvm::enumerate(runtime::hyperNames))
    os << (i ? ", " : " ") << name;
  os << " };\n}\n";
}

TargetAttr fp8c::target::getTargetAttr(ModuleOp module) {
  auto attr = module->getAttrOfType<TargetAttr>(kTargetAttr);
  return attr ? attr : TargetAttr::get(module.getContext(), "cpu", "");
}
bool fp8c::target::isForCUDA(ModuleOp module) {
  return getTargetAttr(module).getBackend() == "cuda";
}

LogicalResult fp8c::target::printSource(ModuleOp module, raw_ostream &os) {
  bool isCUDA = isForCUDA(module);
  SymbolTable symbols(module);
  for (auto function : module.getOps<func::FuncOp>())
    if (!isLowered(function))
      return function.emitOpError("cannot be emitted: run convert-to-exec");
  if (failed(verifyPlan(module)))
    return failure();
  printPrelude(module, isCUDA, os);
  for (auto kernel : module.getOps<KernelOp>()) {
    os << "\n";
    printKernel(kernel, isCUDA, os);
  }
  ConstantNames constants;
  module.walk([&](ConstantOp constant) {
    auto [entry, isNew] = constants.try_emplace(
        constant.getValue(), "constant_" + std::to_string(constants.size()));
    if (isNew)
      printConstant(constant, isCUDA, entry->second, os);
  });
  os << "\n} // namespace\n\nextern \"C\" int fp8c_program_abi() { return "
        "FP8C_PROGRAM_ABI; }\n\n"
        "// What manifest.json must say.\n"
        "extern \"C\" const char *fp8c_program_contract() {\n  return R\"("
     << getContract(module) << ")\";\n}\n";
  for (auto function : module.getOps<func::FuncOp>())
    if (failed(printScope(os, [&](Scope names, raw_ostream &os) {
          SourceWriter writer(isCUDA, symbols, constants, std::move(names), os);
          return printFunction(function, writer);
        })))
      return failure();
  os << "\n} // namespace fp8c\n";
  return success();
}

void fp8c::target::registerSourceModels(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, ExecDialect *) {
    attachMemorySource(*context);
    attachLaunchSource(*context);
    attachTensorSource(*context);
    attachTrainingSource(*context);
    attachScaleSource(*context);
    attachCollectiveSource(*context);
  });
}
