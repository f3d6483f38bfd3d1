//===- Diagnostics.cpp - MLIR diagnostics as a tool prints them -----------===//

#include "Diagnostics.h"

#include "core/Escape.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Location.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

static StringRef getKind(DiagnosticSeverity severity) {
  switch (severity) {
  case DiagnosticSeverity::Error:
    return "error";
  case DiagnosticSeverity::Warning:
    return "warning";
  case DiagnosticSeverity::Note:
    return "note";
  case DiagnosticSeverity::Remark:
    return "remark";
  }
  return "error";
}

static void print(Diagnostic &diagnostic, bool remarks) {
  if (diagnostic.getSeverity() == DiagnosticSeverity::Remark && !remarks)
    return;
  std::string text;
  llvm::raw_string_ostream os(text);
  os << "fp8c: " << getKind(diagnostic.getSeverity()) << ": ";
  if (auto file = diagnostic.getLocation()->findInstanceOf<FileLineColLoc>();
      file && file.getLine())
    os << file.getFilename().getValue() << ":" << file.getLine() << ":"
       << file.getColumn() << ": ";
  else if (auto name = diagnostic.getLocation()->findInstanceOf<NameLoc>())
    os << fp8c::runtime::printable(name.getName().getValue()) << ": ";
  os << diagnostic.str();
  llvm::errs() << fp8c::runtime::printableMessage(text) << "\n";
  for (Diagnostic &note : diagnostic.getNotes())
    print(note, remarks);
}

fp8c::DiagnosticPrinter::DiagnosticPrinter(MLIRContext &context, bool remarks)
    : handler(&context, [remarks](Diagnostic &diagnostic) {
        print(diagnostic, remarks);
        return success();
      }) {
  // An op that an error is of may be the whole module: its place and name are
  // told, its text is fp8c-opt's and --emit's to print.
  context.printOpOnDiagnostic(false);
}
