//===- ImportErrors.cpp - What stands in the way of an import -------------===//

#include "Import/ONNX/ImportErrors.h"

#include "core/Escape.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Location.h"
#include "llvm/ADT/StringMap.h"
#include <array>

using namespace mlir;

namespace fp8c {

void ImportErrors::add(const Twine &message) {
  messages.push_back(runtime::printable(message.str(), 4000));
}

void ImportErrors::add(Unsupported row) { rows.push_back(std::move(row)); }

/// Nodes that differ in their names only share a row: a model says the same
/// thing in every layer.
std::string ImportErrors::table() const {
  using Row = std::array<std::string, 5>;
  std::vector<Row> lines = {{"op", "domain", "version", "node", "reason"}};
  std::vector<unsigned> counts = {1};
  llvm::StringMap<size_t> lineOf;
  for (const Unsupported &row : rows) {
    std::string key = row.op + "\n" + row.domain + "\n" + row.reason;
    auto [at, isNew] = lineOf.try_emplace(key, lines.size());
    if (!isNew) {
      ++counts[at->second];
      continue;
    }
    lines.push_back({runtime::printable(row.op), runtime::printable(row.domain),
                     row.version, runtime::printable(row.node),
                     runtime::printable(row.reason)});
    counts.push_back(1);
  }
  for (size_t i = 0; i < lines.size(); ++i)
    if (counts[i] > 1)
      lines[i][3] += " and " + std::to_string(counts[i] - 1) + " more";
  std::array<size_t, 5> widths = {};
  for (const Row &line : lines)
    for (size_t i = 0; i < line.size(); ++i)
      widths[i] = std::max(widths[i], line[i].size());
  std::string text;
  for (const Row &line : lines) {
    text += "\n";
    for (size_t i = 0; i < line.size(); ++i) {
      bool isLast = i + 1 == line.size();
      text += "  " + line[i];
      text.append(isLast ? 0 : widths[i] - line[i].size(), ' ');
    }
  }
  return text;
}

void ImportErrors::emit(MLIRContext *context, StringRef path) const {
  constexpr size_t shown = 20;
  Location loc = UnknownLoc::get(context);
  for (const std::string &message : llvm::ArrayRef(messages).take_front(shown))
    emitError(loc) << "'" << path << "': " << message;
  if (messages.size() > shown)
    emitError(loc) << "'" << path << "': and " << messages.size() - shown
                   << " more errors";
  if (!rows.empty())
    emitError(loc) << "'" << path << "': " << rows.size()
                   << (rows.size() == 1 ? " node" : " nodes")
                   << " cannot be imported:" << table();
}

} // namespace fp8c
