//===- MemoryLimit.cpp - Recompute as little as fits ----------------------===//

#include "Pipelines/MemoryLimit.h"

#include "Exec/IR/Exec.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace fp8c;

using Recompute = std::vector<std::string>;

/// From the cheapest to what saves most; then come blocks, as many as it takes.
static const Recompute kChoices[] = {
    {}, {"norm"}, {"gelu"}, {"norm", "gelu"}, {"norm", "gelu", "quantize"}};

static Recompute withBlocks(int64_t layers) {
  return {"norm", "gelu", "block:" + std::to_string(layers)};
}

static std::string getText(const Recompute &choice) {
  return choice.empty() ? "none" : llvm::join(choice, ",");
}
static std::string inGiB(int64_t bytes) {
  return llvm::formatv("{0:f2} GiB", bytes / double(1 << 30));
}

/// What the program needs; none if it cannot be compiled so. Only errors of a
/// choice that was not just tried out are the user's.
static std::optional<int64_t> plan(ModuleOp module, PipelineOptions options,
                                   const Recompute &choice, bool printErrors) {
  ScopedDiagnosticHandler handler(
      module.getContext(), [&](Diagnostic &diagnostic) {
        return success(!printErrors ||
                       diagnostic.getSeverity() == DiagnosticSeverity::Remark);
      });
  options.recompute = choice;
  OwningOpRef<ModuleOp> clone = module.clone();
  PassManager passes(module.getContext());
  buildPipeline(passes, options, Stage::exec);
  if (failed(passes.run(*clone)))
    return {};
  int64_t bytes = 0;
  for (StringRef name :
       {exec::kVariablesAttr, exec::kArenaAttr, exec::kWorkspaceAttr})
    if (auto part = (*clone)->getAttrOfType<IntegerAttr>(name))
      bytes += part.getInt();
  return bytes;
}

LogicalResult fp8c::fitMemory(ModuleOp module, PipelineOptions &options,
                              bool mayChoose, int64_t limit, int64_t batch,
                              ImportWithBatch import) {
  Recompute asked = options.recompute;
  std::optional<int64_t> needed =
      plan(module, options, asked, /*printErrors=*/true);
  if (!needed)
    return failure();
  if (*needed <= limit)
    return success();
  auto error = [&](const Recompute &choice, int64_t bytes) {
    return emitError(module.getLoc())
           << "needs " << inGiB(bytes) << " with --recompute "
           << getText(choice) << ", but --memory-limit is " << inGiB(limit);
  };

  // The least of all that was tried.
  Recompute least = asked;
  std::optional<Recompute> fitting;
  auto fits = [&](const Recompute &choice) {
    std::optional<int64_t> bytes =
        plan(module, options, choice, /*printErrors=*/false);
    if (bytes && *bytes < *needed) {
      needed = bytes;
      least = choice;
    }
    return bytes && *bytes <= limit;
  };
  for (const Recompute &choice : kChoices)
    if (!fitting && fits(choice))
      fitting = choice;
  int64_t layers = 0;
  module.walk([&](Operation *op) {
    layers = std::max(layers, train::getLayer(train::getName(op)) + 1);
  });
  if (!fitting && layers && fits(withBlocks(layers))) {
    int64_t low = 1, high = layers;
    while (low < high) {
      int64_t middle = (low + high) / 2;
      if (fits(withBlocks(middle)))
        high = middle;
      else
        low = middle + 1;
    }
    fitting = withBlocks(low);
  }
  if (fitting && mayChoose) {
    options.recompute = *fitting;
    return success();
  }
  if (fitting) {
    int64_t bytes = *plan(module, options, *fitting, /*printErrors=*/false);
    error(asked, *plan(module, options, asked, /*printErrors=*/false))
            .attachNote()
        << "--recompute " << getText(*fitting) << " needs " << inGiB(bytes);
    return failure();
  }
  InFlightDiagnostic diagnostic = error(least, *needed);
  while ((batch /= 2)) {
    OwningOpRef<ModuleOp> smaller = import(batch);
    std::optional<int64_t> bytes =
        smaller ? plan(*smaller, options, least, /*printErrors=*/false)
                : std::nullopt;
    if (!bytes)
      break;
    if (*bytes <= limit) {
      diagnostic.attachNote()
          << "--batch " << batch << " needs " << inGiB(*bytes)
          << " with --recompute " << getText(least)
          << "; accumulate micro-batches instead";
      return diagnostic;
    }
  }
  diagnostic.attachNote() << "no smaller batch fits either";
  return diagnostic;
}
