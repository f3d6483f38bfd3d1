//===- SourceWriter.cpp - Writing one function of a program ---------------===//

#include "Target/Source/SourceWriter.h"

#include "core/Escape.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::exec;
using namespace fp8c::target;

SourceWriter::SourceWriter(bool isCUDA, const SymbolTable &symbols,
                           const ConstantNames &constants, Scope names,
                           raw_ostream &os)
    : isCUDA(isCUDA), first(isCUDA ? "stream, " : ""), symbols(symbols),
      constants(constants), os(os), scope(std::move(names)) {
  for (auto &[value, name] : constants)
    scope.unique(name);
}

void SourceWriter::comment(Operation *op, const Twine &detail) {
  std::string name = runtime::commentText(train::getName(op)), phase;
  if (train::isBackward(op))
    phase = (" (" + train::stringifyPhase(*train::getPhase(op)) + ")").str();
  std::string comment =
      name.empty() ? detail.str() + phase : name + phase + ": " + detail.str();
  // Profiles show the comment as the name of what follows.
  os << (isCUDA ? "\n  stream.op(" + runtime::cppLiteral(comment) + ");\n"
                : "\n  // " + comment + "\n");
}

void SourceWriter::declare(Value value, StringRef name,
                           const Twine &initializer) {
  std::string variable = unique(name);
  set(value, variable);
  std::string element = getElementName(typeOf(value).getElementType());
  os << "  auto *" << variable << " = " << initializer << "; // " << element
     << " " << getShapeText(typeOf(value).getShape()) << "\n";
}

std::string SourceWriter::list(ValueRange values) const {
  std::string text;
  for (auto [i, value] : llvm::enumerate(values))
    text += (i ? ", " : "") + use(value);
  return text;
}

void SourceWriter::call(Operation *op, const Twine &more) {
  StringRef callee = op->getName().stripDialect();
  comment(op, callee);
  os << "  " << callee << "(" << first << list(op->getOperands()) << more
     << ");\n";
}

std::string target::getTable(size_t count,
                             function_ref<std::string(size_t)> entry) {
  std::string text = "{";
  for (size_t i = 0; i < count; ++i)
    text += (i ? ",\n        " : "\n        ") + entry(i);
  return text + "}";
}
