//===- ProductSummary.cpp - How many products are in FP8 ------------------===//

#include "Analysis/ProductSummary.h"

#include "FP8/Transforms/Eligibility.h"

using namespace mlir;
using namespace fp8c;

namespace {
struct Counts {
  int64_t fp8 = 0, refused = 0, all = 0;
  /// "; not 3: the recipe says bf16", one after the other.
  std::string refusals, choices;
};
} // namespace

static std::optional<Counts> getCounts(ModuleOp module) {
  auto products = module->getAttrOfType<DictionaryAttr>(fp8::kProductsAttr);
  if (!products)
    return std::nullopt;
  Counts counts;
  counts.fp8 = products.getAs<IntegerAttr>(fp8::kProductsFP8Key).getInt();
  auto list = [&](StringRef key, StringRef prefix, std::string &text) {
    int64_t sum = 0;
    for (NamedAttribute entry : products.getAs<DictionaryAttr>(key)) {
      int64_t count = cast<IntegerAttr>(entry.getValue()).getInt();
      text +=
          ("; not " + Twine(count) + ": " + prefix + entry.getName().getValue())
              .str();
      sum += count;
    }
    return sum;
  };
  counts.refused = list(fp8::kProductsRefusedKey, "", counts.refusals);
  counts.all = counts.fp8 + counts.refused +
               list(fp8::kProductsAskedKey, "the recipe says ", counts.choices);
  return counts;
}

std::string fp8c::getProductSummary(ModuleOp module) {
  std::optional<Counts> counts = getCounts(module);
  if (!counts)
    return "";
  return (Twine(counts->fp8) + " of " + Twine(counts->all) +
          " matrix products are in FP8" + counts->refusals + counts->choices)
      .str();
}

std::string fp8c::findMissingFP8(ModuleOp module) {
  std::optional<Counts> counts = getCounts(module);
  if (!counts)
    return "the recipe asks for no product in FP8\n"
           "hint: choose one that does, as --recipe fp8-delayed";
  if (!counts->refused)
    return "";
  return (Twine(counts->refused) + " of the " +
          Twine(counts->refused + counts->fp8) +
          " products that the recipe wants in FP8 cannot be" +
          counts->refusals +
          "\nhint: --remarks names them; choose other sizes, or let the "
          "recipe ask for another format")
      .str();
}
